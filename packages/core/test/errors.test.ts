import { assert, describe, it } from "@effect/vitest"
import { FunctionError, Packet, Peers, PublicKey, Sessions, Trust } from "@pnet/core"

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
})
