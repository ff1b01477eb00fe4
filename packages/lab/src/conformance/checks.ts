/** All checks, in the order of the text. */
import type { Check } from "./check.ts"
import { adverts } from "./sections/adverts.ts"
import { networkKey } from "./sections/networkKey.ts"
import { packets } from "./sections/packets.ts"
import { raw } from "./sections/raw.ts"
import { refusals } from "./sections/refusals.ts"
import { vectors } from "./sections/vectors.ts"

export const all: ReadonlyArray<Check> = [
  ...packets,
  ...vectors,
  ...refusals,
  ...networkKey,
  ...raw,
  ...adverts
]
