/** What errors and lines of the log show of the words of peers and of servers, which a terminal or a log would act on. */
import { assert, describe, it } from "@effect/vitest"
import * as DurableTopicsError from "@pnet/nats/DurableTopicsError"
import * as MailError from "@pnet/nats/MailError"
import * as NatsError from "@pnet/nats/NatsError"
import * as Effect from "effect/Effect"
import { logged, type NatsBus } from "../src/internal/bus.ts"
import * as Dropped from "../src/internal/dropped.ts"
import * as Post from "./post.ts"

/** Ends a line, clears a screen by either escape, and turns the direction. */
const said = "a\n\u001b[2J\u009b2J\u202eb"
const acted = /[\p{Cc}\p{Bidi_Control}]/u

describe("what others say over NATS", () => {
  it("is in one line of an error, and nothing acts on it", () => {
    const cause = new Error(said)
    const servers = ["127.0.0.1:4222"]
    const errors = [
      new NatsError.NoServerError({ servers, cause }),
      new NatsError.NotAuthorizedError({ servers, by: "user", cause }),
      new NatsError.TlsError({ servers, cause }),
      new NatsError.NotPermittedError({ operation: "publish", subject: said, permission: said }),
      new MailError.PostError({ kind: "Unsure", to: said, id: "1" }),
      new MailError.MailboxError({ cause }),
      new DurableTopicsError.KeepError({ kind: "Unsure", topic: said, id: "1", cause }),
      new DurableTopicsError.ReplayError({ kind: "NoServer", topic: said, cause }),
      new DurableTopicsError.DurableTopicsError({ cause })
    ]
    for (const { message } of errors) {
      assert.notMatch(message, acted)
      assert.match(message, /\\u001b\[2J\\u009b2J\\u202eb/)
    }
  })

  it.effect("is in one short line of the log, and nothing acts on it", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const dropped = Dropped.make()
      yield* Effect.provide(
        Effect.andThen(dropped("one", `of the node ${said}`), dropped("other", "x".repeat(1_000_000))),
        Post.logged(lines)
      )
      assert.strictEqual(lines.length, 2)
      for (const line of lines) {
        assert.notMatch(line, acted)
        assert.isBelow(line.length, 2_000)
      }
    }))

  it("is no line for each subject that a server says it forbids", () => {
    let lines = 0
    let tell: Parameters<NatsBus["watch"]>[0] = () => {}
    const bus = {
      isOfNetwork: (subject: string) => subject.startsWith("pnet.home."),
      watch: (watcher: typeof tell) => {
        tell = watcher
        return () => {}
      }
    } as NatsBus
    logged(bus, [], () => lines++)
    const deny = (subject: string, permission: string) =>
      tell({ _tag: "Denied", error: new NatsError.NotPermittedError({ operation: "publish", subject, permission }) })
    for (let i = 0; i < 100; i++) deny(`pnet.other${i}.a.b.c`, `pnet.other${i}.a.b.c`)
    assert.strictEqual(lines, 0)
    for (let i = 0; i < 100; i++) deny(`pnet.home.own.b.c${i}`, "pnet.home.own.>")
    assert.strictEqual(lines, 1)
  })
})
