import { assert, describe, it } from "@effect/vitest"
import { FunctionError, Packet, Peers, ProtocolError, PublicKey, Sessions, Trust } from "@pnet/core"
import * as Duration from "effect/Duration"

// A field called `name` would hide `Error.name`, and a console would print the peer's name where the error's belongs.
describe("errors", () => {
  const peer = Packet.NodeName.make("bob")
  const publicKey = PublicKey.fromBytes(new Uint8Array(32).fill(9))!
  for (
    const error of [
      new Peers.PeerUnknownError({ peer, known: [] }),
      new Peers.NameConflictError({ peer, publicKeys: [publicKey] }),
      new Peers.PeerLostError({ peer, publicKey, reason: "Silent", mayHaveRun: true }),
      new Trust.UntrustedPeerError({ kind: "Full", peer, publicKey }),
      new Sessions.StreamResetError({ peer, stream: "upper", code: "refused", detail: "", remote: true }),
      new FunctionError.DeadlineError({ peer, mayHaveRun: true }),
      new FunctionError.NodeClosedError({ node: "alice" }),
      new FunctionError.DuplicateFunctionError({ function: "upper" })
    ]
  ) {
    it(`${error._tag} has its own name`, () => {
      assert.isTrue(error.name.endsWith(`/${error._tag}`), error.name)
      assert.strictEqual(String(error), `${error.name}: ${error.message}`)
    })
  }

  it("of functions that are not there say which kind was asked for, once, and which other there is", () => {
    const reset = { peer, stream: "add", code: "not_found", detail: "there is no function add", remote: true } as const
    const bytes = new Sessions.StreamResetError(reset).message
    assert.match(bytes, /^"bob" has no function "add" for bytes; call get_funcs to see those it has for values; see /)
    const values = new FunctionError.UnknownFunctionError({ peer, function: "pipe" }).message
    assert.match(
      values,
      /^"bob" has no function "pipe" for values; call get_funcs .*, or request where it takes bytes; see /
    )
  })

  it("ERR_INTERNAL says that the receiver may be one that takes no messages", () => {
    assert.include(new ProtocolError.Internal({}).message, "takes none, as without onMessage")
  })

  it("PeerLostError says whether to ask again, whatever was asked", () => {
    const lost = (mayHaveRun: boolean) =>
      new Peers.PeerLostError({ peer, publicKey, reason: "Disconnected", mayHaveRun }).message
    assert.include(lost(true), "ask again only for what may be done twice")
    assert.include(lost(false), "asking again is safe")
  })

  it("DeadlineError says how long was waited, where that is known", () => {
    const said = (waited?: number) =>
      new FunctionError.DeadlineError({
        peer,
        function: "f",
        mayHaveRun: true,
        ...(waited === undefined ? {} : { waited: Duration.millis(waited) })
      })
        .message.replace(/;.*/, "")
    assert.strictEqual(said(), "\"f\" at \"bob\" did not answer in its time")
    assert.strictEqual(said(0), "\"f\" at \"bob\" did not answer in its time, given up after 0ms")
    assert.strictEqual(said(999), "\"f\" at \"bob\" did not answer in its time, given up after 999ms")
    assert.strictEqual(said(2_003), "\"f\" at \"bob\" did not answer in its time, given up after 2s")
    assert.strictEqual(said(1_540), "\"f\" at \"bob\" did not answer in its time, given up after 1s 500ms")
    const detail = "nobody was known"
    assert.include(
      new FunctionError.DeadlineError({ peer, mayHaveRun: false, waited: Duration.seconds(30), detail }).message,
      "\"bob\" did not answer in its time, given up after 30s (nobody was known); it was not sent"
    )
  })
})
