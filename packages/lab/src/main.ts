/** The lab: what is run by hand to look after pnet. `pnpm lab --help` lists it. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { everyone } from "./everyone/command.ts"
import { flood } from "./flood/command.ts"
import { fuzz } from "./fuzz/command.ts"
import { membership } from "./membership/command.ts"
import { reference } from "./reference/command.ts"
import { streams } from "./streams/command.ts"
import { swarm } from "./swarm/command.ts"
import { vectors } from "./vectors/command.ts"

Command.make("lab").pipe(
  Command.withDescription("What is run by hand to look after pnet"),
  Command.withSubcommands([swarm, streams, everyone, membership, fuzz, flood, vectors, reference]),
  Command.run({ version: "0.1.0" }),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain
)
