/** The command and what there is of it. */
import * as Command from "effect/cli/Command"
import { conformance } from "./conformance/command.ts"
import { crowd } from "./crowd/command.ts"
import { everyone } from "./everyone/command.ts"
import { flood } from "./flood/command.ts"
import { fuzz } from "./fuzz/command.ts"
import { membership } from "./membership/command.ts"
import { mutants } from "./mutants/command.ts"
import { reference } from "./reference/command.ts"
import { services } from "./services/command.ts"
import { trouble } from "./services/troubleCommand.ts"
import { streams } from "./streams/command.ts"
import { swarm } from "./swarm/command.ts"
import { topics } from "./topics/command.ts"
import { vectors } from "./vectors/command.ts"
import { yesterday } from "./yesterday/command.ts"

/** `pnpm lab`. */
export const lab = Command.make("lab").pipe(
  Command.withDescription("What is run by hand to look after pnet"),
  Command.withSubcommands([
    swarm,
    streams,
    everyone,
    membership,
    fuzz,
    flood,
    crowd,
    services,
    trouble,
    topics,
    mutants,
    vectors,
    conformance,
    reference,
    yesterday
  ])
)
