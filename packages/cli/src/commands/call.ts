/** `pnet call`: a function of a peer, or of several. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import { Span } from "../settings/declare.ts"
import * as Spec from "../spec.ts"

export const call = Spec.make({
  name: "call",
  summary: "Calls a function of a peer",
  description:
    "Calls a function and prints what it gives. An argument that is JSON is sent as it is, and any other as text. Flags that the command does not have " +
    "itself are keyword arguments of the function: --key=value. Behind the function's name so are settings such as --name, but for --json and --wait; this node's own stand " +
    "before that. The elements of a stream are printed as they come.",
  examples: [
    { command: "pnet call bob add 1 2", description: "Two numbers" },
    { command: "pnet call bob greet world --loud=true", description: "Text, and a keyword argument" },
    { command: "pnet call '*' uptime", description: "Of everybody: a row for each" },
    {
      command: "pnet call --network work bob greet --name ann",
      description: "A network for this node, a name for greet"
    },
    { command: "pnet call bob,carol uptime", description: "Of some" },
    { command: "pnet call bob wc - < poem.txt", description: "The argument from standard input" }
  ],
  config: {
    target: Argument.String("target").pipe(
      Argument.withDescription("The name of a peer, several with commas, or * for all that are there")
    ),
    function: Argument.String("function").pipe(Argument.withDescription("The function's name")),
    args: Argument.String("args").pipe(
      Argument.withDescription("Its arguments, as JSON or text; - is standard input"),
      Argument.variadic()
    ),
    kwargs: Flag.String("arg").pipe(
      Flag.withMetavar("KEY=VALUE"),
      Flag.withDescription("A keyword argument, also where the command has a flag of that name itself"),
      Flag.atLeast(0)
    ),
    check: Flag.Boolean("check").pipe(
      Flag.withDefault(true),
      Flag.withDescription(
        "Checks the arguments by what the peer says that it takes, before they are sent; --no-check does not"
      )
    ),
    timeout: Flag.String("timeout").pipe(
      Flag.withAlias("t"),
      Flag.withMetavar("TIME"),
      Flag.withSchema(Span),
      Flag.optional,
      Flag.withDescription("How long the call may take, such as 500ms or 30s; default: as long as it takes")
    )
  },
  prints: ["answer"],
  open: 2
})
