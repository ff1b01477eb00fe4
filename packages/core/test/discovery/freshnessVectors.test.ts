/** The section "freshness" of `docs/vectors.json`, heard as it says. */
import { assert, describe, it } from "@effect/vitest"
import type { PublicKey } from "@pnet/core"
import * as Document from "@pnet/lab/vectors/document"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import { Freshness } from "../../src/internal/discovery/freshness.ts"

const document = Document.load()

describe("vectors of adverts that come one after another", () => {
  for (const { description, name, steps } of document.freshness.sequences) {
    it.effect(`${name}: ${description}`, () =>
      Effect.gen(function*() {
        const freshness = new Freshness(yield* Clock.Clock, 8_192)
        for (const [i, { clock, host, news, node, port, timestamp, token }] of steps.entries()) {
          yield* TestClock.setTime(clock * 1_000)
          const key = document.nodes[node]!["text"] as PublicKey.PublicKey
          const taken = freshness.take(
            Freshness.placeOf(key, host),
            port,
            timestamp,
            new TextEncoder().encode(token.padStart(32))
          )
          assert.strictEqual(taken, news, `no. ${i + 1}`)
        }
      }))
  }
})
