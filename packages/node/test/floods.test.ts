// Two honest nodes while one process floods both as fast as it can. What calls take then depends on the machine and on what else it
// does: `pnpm lab flood` measures that. Here every call succeeds, and the nodes hold what they may.
import { assert, it } from "@effect/vitest"
import { calls, counted, growth, kinds, measure, memory, pair, type Row } from "@pnet/lab/flood/flood"
import { Effect, Fiber } from "effect"

const sum = (counts: Readonly<Record<string, number>>, part: string) =>
  Object.entries(counts).reduce((total, [name, count]) => name.includes(part) ? total + count : total, 0)

const refused = ({ flooded }: Row) => sum(flooded.answers, "ERR_BUSY") + sum(flooded.answers, "closed")

/** How a flood shows, of both nodes together, and what it must not come to. */
const expectations: {
  readonly [Kind in Row["kind"]]: { readonly felt: (row: Row) => number; readonly bounded: (row: Row) => void }
} = {
  datagrams: {
    felt: (row) => sum(counted(row), "adverts_received ERR_"),
    bounded: ({ after }) => {
      for (const { peers } of after) assert.isAtMost(peers, 2, "nobody joined but carol")
    }
  },
  adverts: {
    felt: (row) => sum(counted(row), "too_many_from_address"),
    bounded: ({ after }) => {
      // The honest ones, and what an address of one's own machine may have.
      for (const { peers } of after) assert.isAtMost(peers, 2 + 512)
    }
  },
  handshakesOutside: {
    felt: ({ flooded }) => sum(flooded.answers, "ERR_NET_DECRYPTION_FAILED"),
    bounded: ({ flooded }) => {
      assert.isUndefined(flooded.answers["rsp"], "no handshake is begun with who has not the network's key")
    }
  },
  handshakesCut: {
    felt: ({ flooded }) => sum(flooded.answers, "rsp"),
    bounded: ({ flooded }) => {
      // 256 a second and node, and as many at once before.
      assert.isAtMost(sum(flooded.answers, "rsp"), 2 * 256 * (flooded.seconds + 2))
    }
  },
  handshakesWhole: {
    felt: ({ flooded }) => sum(flooded.answers, "rsp"),
    bounded: ({ after }) => {
      // They proved their keys, and one address gets 64 names pinned.
      for (const { sessions } of after) assert.isAtMost(sessions, 2 + 64)
    }
  },
  halfOpen: {
    felt: refused,
    bounded: ({ flooded }) => assert.isUndefined(flooded.answers["rsp"])
  },
  halfOpenSpread: {
    felt: refused,
    bounded: ({ flooded }) => assert.isUndefined(flooded.answers["rsp"])
  }
}

it.live.skipIf(process.platform === "win32")(
  "calls between honest nodes succeed under every flood, and what the nodes hold stays within bounds",
  () =>
    Effect.gen(function*() {
      const both = yield* pair
      const carol = yield* Effect.forkScoped(both.harness.start("carol"))
      yield* calls(both.alice, 0.2)
      const before = yield* memory(both)
      let now = before
      for (const kind of kinds) {
        const { bounded, felt } = expectations[kind]
        let row: Row
        let seconds = 0.15
        // On a machine that is busy it may take a while until it shows.
        do {
          row = yield* measure(both, kind, seconds, now)
          seconds *= 2
          now = row.after
          assert.deepStrictEqual(row.calls.failures, [], kind)
          // The tables that a flood fills, and what is on its way. It never grows with what is sent.
          for (const grown of growth({ ...row, before })) assert.isBelow(grown, 24 * 1_048_576, kind)
          for (const { sessions } of row.after) assert.isAtLeast(sessions, 1, "the honest session stands")
          bounded(row)
        } while (felt(row) === 0)
      }
      // And a newcomer gets in, while one address has all of its places taken.
      const newcomer = yield* Fiber.join(carol)
      yield* newcomer.ask("await", { peers: ["bob"] })
      const [outcome] = yield* both.harness.flood(
        "halfOpen",
        [both.alice, both.bob],
        newcomer.ask("call", { peer: "bob", function: "add", args: [2, 3] })
      )
      assert.deepStrictEqual(outcome, { value: 5 })
    }).pipe(Effect.scoped),
  300_000
)
