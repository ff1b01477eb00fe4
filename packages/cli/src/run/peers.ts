/** What `pnet peers` does. */
import { formatEndpoint } from "@pnet/core/Advert"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import type { Peer } from "@pnet/core/Peers"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { atCommandLine } from "../atCommandLine.ts"
import type { peers } from "../commands/peers.ts"
import { Problem } from "../errors.ts"
import { eventOf, isOfConflict } from "../node/events.ts"
import { gather } from "../node/find.ts"
import { open } from "../node/open.ts"
import { Output } from "../output/Output.ts"
import type { Shape } from "../output/shapes.ts"
import { Settings } from "../settings/Settings.ts"
import type { Input } from "../spec.ts"

const shapeOf = ({ endpoints, name, offer, proved, publicKey, status }: Peer): Shape<"peer"> => ({
  name,
  key: publicKey,
  fingerprint: PublicKey.fingerprint(publicKey),
  addresses: endpoints.map(formatEndpoint),
  status: status === "Online" ? "online" : "suspect",
  proved,
  roles: offer?.roles ?? [],
  functions: Object.keys(offer?.functions ?? {}).sort()
})

/** That nobody was heard says who is there only where somebody could be: a node of this machine alone needs its loopback. */
const couldAsk = Effect.fnUntraced(function*(node: CommandNodeService) {
  const down = (yield* node.peers.obstacles).find(({ kind, where }) => kind === "NotSent" && where.startsWith("127."))
  if (down === undefined) return
  return yield* new Problem({
    exit: "unreachable",
    what: "nobody can be asked",
    because: atCommandLine(down.what),
    hint: atCommandLine(down.remedy)
  })
})

export const run = Effect.fnUntraced(function*({ offers, watch }: Input<typeof peers>) {
  const output = yield* Output
  if (watch) yield* output.leaveOut(isOfConflict)
  const { canGrant, node } = yield* open()
  if (offers) yield* node.peers.interested
  if (watch) {
    return yield* Stream.runForEach(
      node.peers.changes,
      (event) =>
        Effect.flatMap(eventOf(event), (shape) => shape === undefined ? Effect.void : output.value("event", shape))
    )
  }
  const found = yield* gather(node)
  if (found.length === 0) yield* couldAsk(node)
  if (!offers) return yield* output.rows("peer", found.map(shapeOf))
  // Whoever does not answer in time has its row all the same.
  const { values } = yield* Settings
  yield* output.during(
    "asking what they offer",
    Effect.timeoutOption(
      Effect.ignore(node.peers.resolve({ where: () => true })),
      values.wait
    )
  )
  yield* output.rows("peer", (yield* node.peers.all).map(shapeOf))
  if (!canGrant && found.length > 0) {
    yield* output.note(
      "they are shown without roles and functions, which trust on first use alone grants nobody: an allow list, an authority, a network key or --open does; " +
        "pnet functions PEER asks one of them itself"
    )
  }
})
