/** Questions of newcomers, which all nodes of a process hear one after another. */
import { assert, describe, it } from "@effect/vitest"
import type * as Packet from "@pnet/core/Packet"
import type { PublicKey } from "@pnet/core/PublicKey"
import { Result } from "effect"
import type * as InternalBase64Url from "../../src/internal/base/base64url.ts"
import type { Self } from "../../src/internal/wire/advertExchange.ts"
import type * as InternalCrowdPackets from "../../src/internal/wire/crowdPackets.ts"

// The package exports no internals, and tsc does not let a static import cross into another project's sources.
const internal = (name: string) => import(new URL(`../../src/internal/${name}.ts`, import.meta.url).href)
const Base64Url: typeof InternalBase64Url = await internal("base/base64url")
const CrowdPackets: typeof InternalCrowdPackets = await internal("wire/crowdPackets")

const publicKey = `${"A".repeat(43)}=` as PublicKey
const self = {
  cipher: { open: ({ content }: Packet.Packet) => Result.succeed({ text: content, timestamp: undefined }) }
} as unknown as Self

const who = (request: string) =>
  CrowdPackets.readWho(
    self,
    { content: new TextEncoder().encode(`${request},bob@10.0.0.2:4000`), publicKey } as unknown as Packet.Packet
  )

describe("a question", () => {
  it("is read as it is after others, and again, and is none where it is broken", () => {
    const asking = (...set: ReadonlyArray<number>) => {
      const bits = new Uint8Array(500)
      for (const place of set) bits[place] = 0xff
      return { slices: 3, slice: 1, salt: set.length, bits }
    }
    const questions = [asking(0, 1), asking(2), asking(0, 1)].map((request) => ({
      request,
      text: new TextDecoder().decode(Base64Url.encode(CrowdPackets.requestBytes(request)))
    }))
    for (const { request, text } of [...questions, ...questions]) {
      for (const _ of [1, 2]) {
        const read = Result.getOrThrow(who(text)).request!
        assert.deepStrictEqual({ ...read, bits: read.bits.slice() }, request)
      }
      for (const _ of [1, 2]) assert.isTrue(Result.isFailure(who(`${text.slice(0, -1)}!`)))
    }
  })
})
