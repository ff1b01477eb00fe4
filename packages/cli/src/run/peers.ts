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
import { offered } from "../node/offered.ts"
import { open, type Opened } from "../node/open.ts"
import { Output } from "../output/Output.ts"
import type { Shape } from "../output/shapes.ts"
import { Settings } from "../settings/Settings.ts"
import type { Input } from "../spec.ts"

const shapeOf = Effect.fnUntraced(function*({ trust }: Opened, peer: Peer, asked: boolean) {
  const { endpoints, name, proved, publicKey, status } = peer
  const { functions, roles, unsaid } = yield* offered(trust, peer, asked)
  return {
    name,
    key: publicKey,
    fingerprint: PublicKey.fingerprint(publicKey),
    addresses: endpoints.map(formatEndpoint),
    status: status === "Online" ? "online" : "suspect",
    proved,
    ...(roles === undefined ? {} : { roles }),
    ...(functions === undefined ? {} : { functions }),
    ...(unsaid === undefined || roles !== undefined && functions !== undefined ? {} : { unsaid })
  } satisfies Shape<"peer">
})

/** Why what is not known is not, and what to do, for people. */
const whyUnsaid = ({ canGrant }: Opened, of: Shape<"peer">["unsaid"]): string | undefined => {
  switch (of) {
    case "noAnswer":
      return "who has not said in time what it offers is shown with ?: wait longer with --wait"
    case "notGranted":
      return canGrant
        ? "what the allow list or the authority does not grant to a peer is shown as ?: pnet trust allow grants it in the list, with --roles and --serves; " +
          "pnet functions PEER asks one of them itself"
        : "roles and functions are shown as ?, which trust on first use alone grants nobody: an allow list, an authority, a network key or --open does; " +
          "pnet functions PEER asks one of them itself"
    default:
      return undefined
  }
}

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
  const opened = yield* open()
  const { node } = opened
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
  const shapesOf = (peers: ReadonlyArray<Peer>) => Effect.forEach(peers, (peer) => shapeOf(opened, peer, offers))
  if (!offers) return yield* output.rows("peer", yield* shapesOf(found))
  // Whoever does not answer in time has its row all the same.
  const { values } = yield* Settings
  yield* output.during(
    "asking what they offer",
    Effect.timeoutOption(
      Effect.ignore(node.peers.resolve({ where: () => true })),
      values.wait
    )
  )
  const rows = yield* shapesOf(yield* node.peers.all)
  yield* output.rows("peer", rows)
  for (const of of new Set(rows.map(({ unsaid }) => unsaid))) {
    const why = whyUnsaid(opened, of)
    if (why !== undefined) yield* output.note(why)
  }
})
