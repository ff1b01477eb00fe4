/** All checks, in the order of the text. */
import type { Check } from "./check.ts"
import { adverts } from "./sections/adverts.ts"
import { asked } from "./sections/asked.ts"
import { commands } from "./sections/commands.ts"
import { crossing } from "./sections/crossing.ts"
import { dialled } from "./sections/dialled.ts"
import { flows } from "./sections/flow.ts"
import { framesAndStreams } from "./sections/frames.ts"
import { handshakes } from "./sections/handshake.ts"
import { networkKey } from "./sections/networkKey.ts"
import { offers } from "./sections/offers.ts"
import { packets } from "./sections/packets.ts"
import { raw } from "./sections/raw.ts"
import { refusals } from "./sections/refusals.ts"
import { sessions } from "./sections/sessions.ts"
import { topics } from "./sections/topics.ts"
import { typed } from "./sections/typed.ts"
import { vectors } from "./sections/vectors.ts"

export const all: ReadonlyArray<Check> = [
  ...packets,
  ...vectors,
  ...refusals,
  ...networkKey,
  ...raw,
  ...asked,
  ...handshakes,
  ...sessions,
  ...framesAndStreams,
  ...flows,
  ...dialled,
  ...crossing,
  ...commands,
  ...typed,
  ...offers,
  ...adverts,
  ...topics
]
