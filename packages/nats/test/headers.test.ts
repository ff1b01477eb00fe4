/** Messages whose headers the client of NATS cannot read, at each place where it looks at them. Any user may send one to where he may publish. */
import { assert, describe, it } from "@effect/vitest"
import { headers, type MsgHdrs } from "@nats-io/nats-core"
import * as Server from "@pnet/lab/nats/server"
import { type Mail, Subjects } from "@pnet/nats"
import { Effect } from "effect"
import { afterAll, beforeAll, vi } from "vitest"
import { Directory } from "../src/internal/directory.ts"
import { tolerated } from "../src/internal/headers.ts"
import * as Post from "./post.ts"
import * as Shared from "./shared.ts"
import { busOf, until } from "./world.ts"

/** Headers of these bytes, whatever they are. */
const raw = (text: string): MsgHdrs =>
  Object.assign(headers(), { encode: () => new TextEncoder().encode(`NATS/1.0\r\n${text}\r\n\r\n`) })

const unreadable = ["a name: x", "\u0000: x", "ü: x", "KV-Operation: a\nb", "Status : 503"].map(raw)

it("headers of more than 4 KiB, or of more than 64 lines, are none", () => {
  const headersOf = (...lines: ReadonlyArray<string>) =>
    new TextEncoder().encode(["NATS/1.0", ...lines, "", ""].join("\r\n"))
  const seen: Array<readonly [hdr: number, data: string]> = []
  const processMsg = ({ hdr }: { readonly hdr: number }, data: Uint8Array) =>
    void seen.push([hdr, new TextDecoder().decode(data.subarray(Math.max(0, hdr)))])
  const client = tolerated({ protocol: { processMsg } } as never) as unknown as {
    readonly protocol: { readonly processMsg: typeof processMsg }
  }
  const hear = (bytes: Uint8Array) => {
    client.protocol.processMsg({ hdr: bytes.length }, Buffer.concat([bytes, Buffer.from("data")]))
    return seen.pop()
  }
  const lines = (count: number) => Array.from({ length: count }, (_, i) => `${i}:`)
  // With the first line, and the empty one.
  const most = headersOf(...lines(62))
  assert.deepStrictEqual(hear(most), [most.length, "data"])
  assert.deepStrictEqual(hear(headersOf(...lines(63))), [-1, "data"])
  const longest = headersOf(`a:${"b".repeat(4_096 - headersOf("a:").length)}`)
  assert.deepStrictEqual(hear(longest), [4_096, "data"])
  assert.deepStrictEqual(hear(headersOf(`a:${"b".repeat(4_097 - headersOf("a:").length)}`)), [-1, "data"])
})

describe.skipIf(Server.skipped)("headers that cannot be read", () => {
  const shared = Shared.server({ jetstream: true })
  beforeAll(shared.begin)
  afterAll(shared.end)

  it.live("cost a node nothing, in messages to it and in the directory", () =>
    Effect.gen(function*() {
      const [alice, bob] = [
        yield* busOf(shared.url(), "alice".padEnd(16, "-")),
        yield* busOf(shared.url(), "bob".padEnd(16, "-"))
      ]
      const heard: Array<string> = []
      bob.on("said", ({ data }) => void heard.push(new TextDecoder().decode(data)))
      const evil = yield* Shared.client(shared.url())
      const own = new Directory(bob, 100)
      yield* own.enter
      for (const [at, h] of unreadable.entries()) {
        for (const from of [Subjects.server, alice.own]) {
          evil.publish(Subjects.make(bob.network, from, bob.own, "said"), "bad", { headers: h })
        }
        const key = `$KV.${Subjects.bucket(bob.network)}.${String(at).padEnd(16, "-")}`
        yield* Effect.promise(() => evil.request(key, "", { headers: h, timeout: 5_000 }))
        assert.include(yield* own.tokens, bob.own)
      }
      alice.publish(alice.subject(bob.own, "said"), new TextEncoder().encode("good"))
      yield* until("what is said", () => heard.includes("good"))
    }).pipe(Effect.scoped))

  it.live("keep no letter from being handled, in letters, and where letters are waited for", () =>
    Effect.gen(function*() {
      const { alice, bob, eve, network, of, toBob } = yield* Post.world("headers")
      const printed = yield* Effect.acquireRelease(
        Effect.sync(() => vi.spyOn(console, "log")),
        (printed) => Effect.sync(() => printed.mockRestore())
      )
      const mail = (name: string, of: Post.Of, options: Mail.Options = {}) =>
        Post.mail(name, of, { servers: shared.url(), ...options })
      const [atAlice, atBob] = [yield* mail("alice", of(alice)), yield* mail("bob", of(bob))]
      const net = Subjects.network(network)
      const evil = yield* Shared.client(shared.url())
      const subject = Subjects.make(net, Subjects.ofKey(eve.publicKey), "mail", Subjects.ofKey(bob.publicKey))
      for (const h of unreadable) {
        yield* Effect.promise(() => evil.request(subject, "bad", { headers: h, timeout: 5_000 }))
      }
      let asked = 0
      // On a server without permissions whoever likes answers.
      evil.subscribe(`${Subjects.inboxOf(net, Subjects.ofKey(bob.publicKey))}.>`)
      evil.subscribe("$JS.API.CONSUMER.MSG.NEXT.>", {
        callback: (_, { reply }) => {
          if (asked < unreadable.length) evil.publish(reply!, "bad", { headers: unreadable[asked]! })
          asked++
        }
      })
      yield* Effect.promise(() => evil.flush())
      const texts: Array<string> = []
      yield* atBob.handle(({ text }) => Effect.sync(() => void texts.push(text)))
      for (const text of ["1", "2", "3"]) {
        yield* atAlice.post(toBob, text)
        yield* until(text, () => texts.includes(text))
      }
      assert.isAbove(asked, 3)
      // What the client says of itself when it reads nothing more, until it has connected anew.
      assert.notInclude(printed.mock.calls.flat().join(), "reader closed")
    }).pipe(Effect.scoped))
})
