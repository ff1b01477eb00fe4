/** What `pnet mail` does. */
import type { NodeName } from "@pnet/core/Packet"
import * as PublicKey from "@pnet/core/PublicKey"
import type { Letter, Mail, Receiver } from "@pnet/nats/Mail"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type { mailDead, mailPost, mailRead } from "../commands/mail.ts"
import { Problem } from "../errors.ts"
import type { Handler } from "../handler.ts"
import { findOne } from "../node/find.ts"
import { mailOf, servers } from "../node/kept.ts"
import { open, type Opened } from "../node/open.ts"
import { Output } from "../output/Output.ts"
import type { Shape } from "../output/shapes.ts"
import type { Input } from "../spec.ts"
import { stdin, whole } from "../words.ts"

const usage = (what: string, hint?: string) =>
  new Problem({ exit: "usage", what, ...(hint === undefined ? {} : { hint }) })

// No server takes more by default, and none may take more than 64 times that.
const most = 67_108_864

const payloadOf = Effect.fnUntraced(function*({ file, text }: Input<typeof mailPost>) {
  if (Option.isSome(file)) {
    if (text.length > 0) return yield* usage("a letter is words or a file, and not both")
    const fs = yield* FileSystem.FileSystem
    return yield* Effect.mapError(
      fs.readFile(file.value),
      (error) => usage(`${JSON.stringify(file.value)} cannot be read: ${error.message}`)
    )
  }
  if (text.length === 0) {
    return yield* usage("there is nothing to post", "give the text, - for standard input, or --file")
  }
  return text.length === 1 && text[0] === "-" ? yield* whole(stdin, most) : text.join(" ")
})

/** Whom it is for: by a key that is given, that is known of the name, or that who has it proves now. */
const receiverOf = Effect.fnUntraced(function*(opened: Opened, { key, peer }: Input<typeof mailPost>) {
  if (Option.isSome(key)) {
    const publicKey = PublicKey.fromText(key.value)
    return publicKey === undefined
      ? yield* usage(`--key ${JSON.stringify(key.value)} is no public key`)
      : { name: peer, publicKey } satisfies Receiver
  }
  const output = yield* Output
  const isKnown = (yield* opened.trust.expected(peer as NodeName)) !== undefined
  // Whoever is there says so, and proves its key when it is reached.
  if (!isKnown) {
    const found = yield* output.during(
      `looking for ${peer}`,
      Effect.catchIf(
        findOne(opened, peer),
        (error) => error._tag === "PeerUnknownError" && error.sharedBy === undefined,
        () => Effect.undefined
      )
    )
    if (found !== undefined) return { name: peer, publicKey: found.publicKey } satisfies Receiver
  }
  return peer
})

export const post: Handler<typeof mailPost> = {
  run: Effect.fnUntraced(function*(input) {
    const output = yield* Output
    yield* servers("mail is")
    const payload = yield* payloadOf(input)
    const opened = yield* open()
    const receiver = yield* receiverOf(opened, input)
    const mail = yield* mailOf(opened)
    const posted = yield* mail.post(receiver, payload, { id: Option.getOrUndefined(input.id) }).pipe(
      Effect.catchIf(({ kind }) => kind === "ReceiverUnknown", () =>
        new Problem({
          exit: "notFound",
          tag: "PostError",
          what: `no key is known of ${JSON.stringify(input.peer)}; nothing was posted`,
          hint: "give it with --key, or have this machine meet it once, with pnet ping"
        })),
      Effect.catchIf(
        (error) => error._tag === "PostError" && error.kind === "InvalidId",
        () => usage(`--id ${JSON.stringify(Option.getOrThrow(input.id))} is not 1 to 64 of letters, digits, _ and -`)
      )
    )
    yield* output.value("posted", {
      to: input.peer,
      id: posted.id,
      seq: posted.sequence,
      duplicate: posted.duplicate
    })
  })
}

const letterOf = ({ attempt, data, from, id, postedAt, text }: Letter): Shape<"letter"> => ({
  from: from.name,
  fingerprint: PublicKey.fingerprint(from.publicKey),
  id,
  time: DateTime.formatIso(DateTime.makeUnsafe(postedAt)),
  ...(text === "" && data.length > 0 ? { bytes: Base64.encode(data) } : { text }),
  attempt
})

/** How soon the server is asked again how many wait, and how often without a letter: those that are left then were put off. */
const pause = "200 millis"
const pauses = 10

/** Ends when nothing waits that is not put off. A letter waits until the server has taken down that it was handled, which is after it was printed. */
const untilNone = (mail: Mail["Service"], came: Queue.Queue<void>, note: (text: string) => Effect.Effect<void>) =>
  Effect.gen(function*() {
    for (let quiet = 0;;) {
      const waiting = yield* mail.waiting
      if (waiting === 0) return
      if (quiet === pauses) {
        return yield* note(`${waiting} ${waiting === 1 ? "letter waits" : "letters wait"} to be handled again later`)
      }
      quiet = Option.isSome(yield* Effect.timeoutOption(Queue.take(came), pause)) ? 0 : quiet + 1
    }
  })

export const read: Handler<typeof mailRead> = {
  run: Effect.fnUntraced(function*({ follow, once }) {
    const output = yield* Output
    if (follow && once) return yield* usage("it cannot be both --follow and --once")
    yield* servers("mail is")
    const mail = yield* mailOf(yield* open({ taken: "fail" }))
    const came = yield* Queue.sliding<void>(1)
    const first = yield* Deferred.make<void>()
    yield* mail.handle((letter) =>
      output.value("letter", letterOf(letter)).pipe(
        Effect.andThen(once ? Deferred.succeed(first, undefined) : Queue.offer(came, undefined)),
        Effect.asVoid
      )
    )
    if (once) return yield* Deferred.await(first)
    return yield* follow ? Effect.never : untilNone(mail, came, output.note)
  })
}

export const dead: Handler<typeof mailDead> = {
  run: Effect.fnUntraced(function*() {
    const output = yield* Output
    yield* servers("mail is")
    const mail = yield* mailOf(yield* open({ taken: "fail" }))
    yield* output.rows("letter", (yield* mail.dead).map(letterOf))
  })
}
