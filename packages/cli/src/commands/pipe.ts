/** `pnet pipe`: standard input through a function of a peer, to standard output. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import { Span } from "../settings/declare.ts"
import * as Spec from "../spec.ts"

export const pipe = Spec.make({
  name: "pipe",
  summary: "Sends standard input through a function of a peer",
  description:
    "Sends standard input to a function over bytes, and writes what it answers to standard output, both as they come and of any size: neither side gets " +
    "ahead of the other by more than some hundred kilobytes. On a terminal it is text that only shows. When the answer is complete it ends, whatever is left of the input. What up serves by --fn " +
    "without arguments is such a function.",
  examples: [
    {
      command: "tar c photos | pnet pipe bob unpack",
      description: "A folder, to what bob serves with --fn 'unpack=tar x -C backup'"
    },
    { command: "pnet pipe bob gzip < log.txt > log.txt.gz", description: "There and back" },
    { command: "pnet pipe bob tail < /dev/null", description: "An answer that has no end, until Ctrl-C" }
  ],
  config: {
    target: Argument.String("target").pipe(Argument.withDescription("The peer's name")),
    function: Argument.String("function").pipe(Argument.withDescription("The function's name")),
    headers: Flag.String("header").pipe(
      Flag.withMetavar("KEY=VALUE"),
      Flag.withDescription("What the function is told besides, as JSON or text; it may be given several times"),
      Flag.atLeast(0)
    ),
    timeout: Flag.String("timeout").pipe(
      Flag.withAlias("t"),
      Flag.withMetavar("TIME"),
      Flag.withSchema(Span),
      Flag.optional,
      Flag.withDescription("How long all of it may take; default: as long as it takes")
    )
  },
  prints: []
})
