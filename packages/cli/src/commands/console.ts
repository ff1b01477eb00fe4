/** `pnet console`: a page that shows the network. */
import * as Flag from "effect/cli/Flag"
import { Port } from "../settings/declare.ts"
import * as Spec from "../spec.ts"
import { assistants } from "./assistants.ts"

export const consolePage = Spec.make({
  name: "console",
  summary: "A page in the browser that shows the network",
  description:
    "Serves a page on this machine, and opens it: who is there and who sees whom, what peers serve, calls as they happen, and what is wrong. It calls functions, and " +
    "changes nothing of whom this node trusts without --act. The link is good for one browser; whoever else is on this machine, or on the network, is not let in. " +
    "With --mcp the same server has the tools of `pnet mcp` for assistants, at /mcp.",
  examples: [
    { command: "pnet console", description: "Opens the page, until Ctrl-C" },
    { command: "pnet console --act", description: "Lets the page say whom to trust" },
    {
      command: "pnet console --no-open-page --page-port 7670",
      description: "Prints the link, for a port that is forwarded"
    },
    { command: "pnet console --mcp --allow 'get_*@*'", description: "For assistants, too, which may call these" }
  ],
  config: {
    pagePort: Flag.String("page-port").pipe(
      Flag.withMetavar("PORT"),
      Flag.withSchema(Port),
      Flag.optional,
      Flag.withDescription("The port of 127.0.0.1 for the page; default: 7670, or any that is free")
    ),
    act: Flag.Boolean("act").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Lets the page change whom this node trusts")
    ),
    openPage: Flag.Boolean("open-page").pipe(
      Flag.withDefault(true),
      Flag.withDescription(
        "Opens the page in the browser where there is a terminal; --no-open-page prints the link alone"
      )
    ),
    mcp: Flag.Boolean("mcp").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Serves assistants as well, and prints what they need to know")
    ),
    ...assistants
  },
  prints: ["console"]
})
