/** What errors show of the words of others, which a terminal or a log would act on. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import { SenderGone } from "../src/FileOffer.ts"
import * as TransferError from "../src/TransferError.ts"

/** Ends a line, clears a screen by either escape, and turns the direction. */
const said = "a\n\u001b[2J\u009b2J\u202eb"

describe("the errors of transfers", () => {
  it("show what others say in one line that nothing acts on", () => {
    const [peer, path, detail, reason] = [said, said, said, said]
    const cause = new Error(said)
    const errors = [
      new TransferError.FileError({ path, kind: "SourceFailed", detail }),
      new TransferError.SourceError({ path, kind: "Unreadable", detail }),
      new TransferError.DeclinedError({ peer, reason }),
      new TransferError.NotReceivingError({ peer, kind: "NoReceiver" }),
      new TransferError.NotReceivingError({ peer, kind: "NotAllowed" }),
      new TransferError.PeerAwayError({ peer, waited: Duration.seconds(1), cause }),
      new TransferError.TransferProtocolError({ peer, detail }),
      new TransferError.FolderError({ folder: path, detail }),
      new SenderGone({ peer, cause })
    ]
    for (const { message } of errors) {
      assert.notMatch(message, /[\p{Cc}\p{Bidi_Control}]/u)
      assert.match(message, /\\u001b\[2J\\u009b2J\\u202eb/)
    }
  })
})
