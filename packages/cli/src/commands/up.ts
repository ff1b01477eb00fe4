/** `pnet up`: a node in the foreground. */
import * as Flag from "effect/cli/Flag"
import * as Spec from "../spec.ts"
import { landing } from "./landing.ts"

export const up = Spec.make({
  name: "up",
  summary: "Runs a node in the foreground",
  description:
    "Runs a node until Ctrl-C, and prints what happens. With --fn it serves commands of this machine: what a caller sends is the command's standard input, " +
    "and never a part of its text. Arguments that are declared in parentheses are the command's positional parameters, $1 and so on: " +
    "texts, which belong in double quotes, unless they say that they are numbers. A command whose caller gives up is ended with all that it started: on Linux also " +
    "what has left its process group, unless that has cleared its environment; elsewhere, its group. With --receive it takes files without a question, to which " +
    "--collisions, --max-bytes, --umask, --keep and --silence belong.",
  examples: [
    { command: "pnet up", description: "Is there, and says who comes and goes" },
    {
      command: "pnet up --name bob --fn 'add(a: int, b: int)=echo $(($1 + $2))' --open",
      description: "Serves a function with two arguments"
    },
    { command: "pnet up --fn 'wc=wc -l' --allow-list friends", description: "Serves a command to those on a list" },
    { command: "pnet up --receive inbox", description: "Takes files of whoever has the network's key" },
    {
      command: "pnet up --receive inbox --max-bytes 2GB --umask 077",
      description: "No offer of more, and nothing that others on this machine read"
    },
    { command: "pnet up --module ./functions.ts --open", description: "Serves what a module exports" },
    { command: "pnet up --json", description: "What happens, as JSON" }
  ],
  config: {
    fn: Flag.String("fn").pipe(
      Flag.withMetavar("NAME=COMMAND"),
      Flag.withDescription(
        "Serves a command of the shell: NAME=COMMAND, NAME(ARG, …)=COMMAND, or NAME(...ARGS)=COMMAND; ARG: int and ARG: number take numbers alone"
      ),
      Flag.atLeast(0)
    ),
    module: Flag.String("module").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription(
        "Serves what a module of JavaScript or TypeScript exports: functions, commands, and layers beside the node"
      ),
      Flag.atLeast(0)
    ),
    measure: Flag.Boolean("measure").pipe(
      Flag.withDefault(true),
      Flag.withDescription(
        "Lets peers measure the way to this node, two at a time and ten seconds each; --no-measure does not"
      )
    ),
    receive: Flag.String("receive").pipe(
      Flag.withMetavar("DIR"),
      Flag.withDescription("Takes the files that peers send with pnet send, and puts them into a folder"),
      Flag.optional
    ),
    ...landing,
    role: Flag.String("role").pipe(
      Flag.withMetavar("ROLE"),
      Flag.withDescription("A role that it says it has; it may be given several times"),
      Flag.atLeast(0)
    )
  },
  prints: ["event"]
})
