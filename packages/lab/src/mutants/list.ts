/** All mutations, by what they are about. */
import { bytes } from "./lists/bytes.ts"
import { callsList } from "./lists/calls.ts"
import { commandList } from "./lists/command.ts"
import { consoleList } from "./lists/console.ts"
import { crowdList } from "./lists/crowd.ts"
import { filesList } from "./lists/files.ts"
import { handlersList } from "./lists/handlers.ts"
import { keptList } from "./lists/kept.ts"
import { linksList } from "./lists/links.ts"
import { machinesList } from "./lists/machines.ts"
import { namesList } from "./lists/names.ts"
import { natsList } from "./lists/nats.ts"
import { natsLinksList } from "./lists/natsLinks.ts"
import { offersList } from "./lists/offers.ts"
import { peersList } from "./lists/peers.ts"
import { rightsList } from "./lists/rights.ts"
import { sessionsList } from "./lists/sessions.ts"
import { severalList } from "./lists/several.ts"
import { simulatedList } from "./lists/simulated.ts"
import { topicsList } from "./lists/topics.ts"
import { webList } from "./lists/web.ts"
import type { Mutation } from "./mutation.ts"

export const all: ReadonlyArray<Mutation> = [
  ...bytes,
  ...peersList,
  ...namesList,
  ...rightsList,
  ...sessionsList,
  ...callsList,
  ...handlersList,
  ...machinesList,
  ...crowdList,
  ...offersList,
  ...severalList,
  ...simulatedList,
  ...topicsList,
  ...consoleList,
  ...filesList,
  ...linksList,
  ...natsLinksList,
  ...keptList,
  ...natsList,
  ...commandList,
  ...webList
]
