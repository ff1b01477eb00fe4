/** `pnet mcp`: functions of peers as tools of AI assistants. */
import * as Flag from "effect/cli/Flag"
import { Count, Span } from "../settings/declare.ts"
import * as Spec from "../spec.ts"
import { assistants } from "./assistants.ts"

export const mcp = Spec.make({
  name: "mcp",
  summary: "Gives AI assistants the functions of peers as tools",
  description:
    "Serves the Model Context Protocol on standard input and output: an assistant that starts this command can list peers and what they serve, and calls " +
    "the functions that are allowed, each of which is a tool. Without --allow it lists, and calls nothing. FUNCTION@PEER says what is allowed; * stands " +
    "for any text. What peers say of their functions is shown to the assistant as theirs, cut short, and only of what is allowed.",
  examples: [
    { command: "pnet mcp", description: "Lists who is there, and calls nothing" },
    {
      command: "pnet mcp --allow 'add@bob' --allow 'get_*@*'",
      description: "One function of bob, and some of everybody"
    },
    {
      command: "pnet mcp --allow '*@bob' --read-only 'get_*@bob'",
      description: "All of bob's, some of which change nothing, says who starts it"
    },
    { command: "pnet mcp --allow '*@*' --generic", description: "One tool that calls, for networks of many functions" }
  ],
  config: {
    ...assistants,
    generic: Flag.Boolean("generic").pipe(
      Flag.withDefault(false),
      Flag.withDescription("One tool that calls any function that is allowed, in the place of a tool for each")
    ),
    timeout: Flag.String("timeout").pipe(
      Flag.withAlias("t"),
      Flag.withMetavar("TIME"),
      Flag.withSchema(Span),
      Flag.optional,
      Flag.withDescription("How long a call may take; default: 60s")
    ),
    maxBytes: Flag.String("max-bytes").pipe(
      Flag.withMetavar("BYTES"),
      Flag.withSchema(Count),
      Flag.optional,
      Flag.withDescription("How much of an answer the assistant is given; default: 65536")
    ),
    maxItems: Flag.String("max-items").pipe(
      Flag.withMetavar("COUNT"),
      Flag.withSchema(Count),
      Flag.optional,
      Flag.withDescription("How many elements of a stream are waited for; default: 100")
    )
  },
  prints: []
})
