/** The lab: what is run by hand to look after pnet. `pnpm lab --help` lists it. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { reference } from "./reference/command.ts"

Command.make("lab").pipe(
  Command.withDescription("What is run by hand to look after pnet"),
  Command.withSubcommands([reference]),
  Command.run({ version: "0.1.0" }),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain
)
