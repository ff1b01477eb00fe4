import { assert, describe, it } from "@effect/vitest"
import { FunctionError, Packet, Peers, PublicKey, Sessions, Trust } from "@pnet/core"
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
    assert.strictEqual(said(0), "\"f\" at \"bob\" did not answer in its time, 0ms")
    assert.strictEqual(said(999), "\"f\" at \"bob\" did not answer in its time, 999ms")
    assert.strictEqual(said(2_003), "\"f\" at \"bob\" did not answer in its time, 2s")
    assert.strictEqual(said(1_540), "\"f\" at \"bob\" did not answer in its time, 1s 500ms")
    const detail = "nobody was known"
    assert.include(
      new FunctionError.DeadlineError({ peer, mayHaveRun: false, waited: Duration.seconds(30), detail }).message,
      "\"bob\" did not answer in its time, 30s (nobody was known); it was not sent"
    )
  })
})
