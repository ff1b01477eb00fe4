/** Mutations of what NATS servers keep: mail, and durable topics. */
import type { Mutation } from "../mutation.ts"
import { of, suites } from "./of.ts"

const inMail = suites("nats/mailHostile", "nats/mail")
const inTopics = suites("nats/durable")
const inVectors = suites("nats/vectors")

const letters = of("mail-letter", "packages/nats/src/internal/mail/letter.ts", inVectors, {
  "receiver": [`if (to !== identity.publicKey || network`, `if (network`, "a letter for another node is read"],
  "network": [`|| network !== networkId)`, `)`, "a letter of another network is read"],
  "old": [`if (postedAt < now - maxAge)`, `if (false)`, "letters have no age"],
  "future": [`if (postedAt > now + mostAhead)`, `if (false)`, "letters of the future are read"],
  "id": [`|| !isId(id)) return`, `) return`, "an id may be any text"],
  "key": [`if (networkKeys.length > 0) {`, `if (false) {`, "letters are read without the network key"]
})

const reading = of("mail-reading", "packages/nats/src/internal/mail/reading.ts", inMail, {
  "untried": [
    `message.info.deliveryCount - untried.of(message.seq)`,
    `message.info.deliveryCount`,
    "a letter that waited for its time is put with the dead ones, and no handler has had it"
  ],
  "dead-id": [
    `msgID: deadId(message.seq)`,
    `msgID: \`dead.\${message.seq}\``,
    "anybody has a letter that failed be lost"
  ],
  "forged": [
    `opened.success.from.publicKey) !== from`,
    `opened.success.from.publicKey) === ""`,
    "a letter counts under any subject"
  ],
  "waiting": [
    `reduce((sum, count) => sum + count, 0)`,
    `reduce((sum) => sum + 1, 0)`,
    "letters of one sender count as one"
  ],
  "trust": [`if (!(yield* trusted(letter))) {`, `if (false) {`, "letters of who is not trusted are handled"],
  "again": [
    `if (known !== null) return`,
    `if (false) return`,
    "a letter that is given again is handled again"
  ],
  "written": [
    `yield* step(() => parts.handled.put(key, new Uint8Array(0)))`,
    `yield* Effect.void`,
    "what was handled is not written down"
  ],
  "given-back": [
    `Effect.onInterrupt(() => Effect.sync(() => message.nak()))`,
    `Effect.onInterrupt(() => Effect.void)`,
    "a letter of a node that ends waits for half a minute"
  ],
  "room": [
    `Effect.catchTag("MailboxError", () => Effect.sync(() => message.nak(longestWait)))`,
    `Effect.asVoid`,
    "letters that the dead have no room for are handled again and again",
    {
      equivalent: "it comes again after half a minute, and not after an hour, which no test waits for"
    }
  ],
  "gone": [
    `void (consumer = undefined)`,
    `void consumer`,
    "a consumer that is gone is asked for ever"
  ],
  "old": [
    `return yield* bury(parts, message)
    }
    yield* dropped(fault`,
    `return message.term()
    }
    yield* dropped(fault`,
    "letters that are too old are lost"
  ],
  "future": [
    `return message.nak(Math.min(Math.max(wait, 1), longestWait))`,
    `return yield* bury(parts, message)`,
    "letters of the future are lost"
  ],
  "dead": [
    `openAnyTime(message.data)
      if (Result.isSuccess(opened)) found.push`,
    `parts.open(message.data)
      if (Result.isSuccess(opened)) found.push`,
    "dead letters that are old are not seen"
  ]
})

const posting = of("mail", "packages/nats/src/Mail.ts", inMail, {
  "room": [`retention: RetentionPolicy.Workqueue,`, ``, "letters that were handled take room"],
  "share": [`discard_new_per_subject: true,`, ``, "one more letter of a sender takes the place of an older one"],
  "id": [`if (!Letters.isId(id)) return`, `if (false) return`, "a letter is taken by an id that its receiver refuses"],
  "large": [`sealed.length > most - Letters.overhead`, `false`, "a letter that is too long is sent"]
})

const around = [
  ...of("mail-around", "packages/nats/src/internal/messageId.ts", inMail, {
    "secret": [
      `concat(Redacted.value(secretKey), label(purpose)`,
      `concat(label(purpose)`,
      "who knows an id can have another's letter dropped"
    ]
  }),
  ...of("mail-refusal", "packages/nats/src/internal/refusal.ts", inMail, {
    "full": [`full.test(cause.message)`, `full.test("")`, "a full account is told as one without a stream"]
  }),
  ...of("mail-dropped", "packages/nats/src/internal/dropped.ts", suites("nats/mailHostile", "nats/durable"), {
    "seldom": [`now - last.at < every`, `false`, "whoever sends what is dropped fills the log"]
  }),
  ...of("mail-permissions", "packages/nats/src/Subjects.ts", inMail, {
    "next": [
      "`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`",
      "`$JS.API.CONSUMER.MSG.NEXT.${stream}.>`",
      "a node takes another's letters"
    ],
    "create": [
      "`$JS.API.CONSUMER.CREATE.${stream}.${name}.pnet.${net}.${filter}`",
      "`$JS.API.CONSUMER.CREATE.${stream}.>`",
      "a node reads another's letters"
    ]
  })
]

const items = of("kept-item", "packages/nats/src/internal/durable/item.ts", inVectors, {
  "signature": [`if (!crypto.verify(`, `if (false && !crypto.verify(`, "anybody publishes as another"],
  "network": [`if (network !== networkId)`, `if (false)`, "what is of another network is read"],
  "key": [`if (networkKeys.length > 0) {`, `if (false) {`, "what is in clear is read on a network with a key"],
  "head": [`concat(sealed.subarray(0, signatureAt), body)`, `body`, "the key is not signed"],
  "id": [`|| !isId(id) ||`, `||`, "an id may be any text"],
  "topic": [`|| Names.wrongWith(topic, false) !== undefined`, ``, "a pattern is the topic of something"],
  "late": [`at > lastTime ||`, ``, "a time has no date"]
})

const signatures = of("kept-signature", "packages/nats/src/internal/durable/signature.ts", inVectors, {
  "sign": [`scalar: isOdd ? order - scalar : scalar`, `scalar`, "half of all keys sign what nobody verifies"],
  "nonce": [
    `number(first, toBytes(scalar), message, random)`,
    `number(toBytes(scalar), message, random)`,
    "the nonce is hashed as the challenge is"
  ],
  "random": [
    `number(first, toBytes(scalar), message, random)`,
    `number(first, toBytes(scalar), message)`,
    "nothing is drawn for a signature"
  ],
  "point": [
    `modulo((u - 1n) * inverse(u + 1n), prime)`,
    `modulo((u + 1n) * inverse(u - 1n), prime)`,
    "signatures are verified by another point"
  ]
})

const subscribing = of("kept-subscribing", "packages/nats/src/internal/durable/subscribing.ts", inTopics, {
  "sender": [
    `if (Subjects.ofKey(publicKey) !== subject.from || `,
    `if (`,
    "what was signed counts under another's subject"
  ],
  "topic": [
    `|| Subjects.topic(item.topic) !== subject.topic) {`,
    `) {`,
    "what was signed for a topic counts on another"
  ],
  "kind": [`if (item.kind !== kind)`, `if (false)`, "bytes are taken for JSON"],
  "trust": [
    `if (Exit.isFailure(yield* Effect.exit(trust.check(name, publicKey))))`,
    `if (false)`,
    "who is not trusted is heard"
  ],
  "rights": [
    `Rights.allows(rights.publishes, item.topic) ? item`,
    `rights !== undefined ? item`,
    "who may not publish on a topic is heard"
  ],
  "value": [
    `acknowledged.skipped(kept.seq, opened)`,
    `acknowledged.handed(kept.seq, opened)`,
    "a thousand values that are none end a position",
    {
      equivalent: "a test of it would publish a thousand values"
    }
  ],
  "made": [
    `now.made === era.made &&`,
    ``,
    "a stream that was made anew is read from where the old one was"
  ],
  "acknowledged": [
    `if (last !== undefined && !isManual) acknowledged`,
    `if (!isManual && last !== undefined && last.seq < 0) acknowledged`,
    "a position stays where it is"
  ],
  "manual": [`acknowledge: isManual ? `, `acknowledge: !isManual ? `, "acknowledging by hand does nothing"],
  "behind": [`isAll = !isLive && next.isAll`, `isAll = false`, "what is not live goes on"],
  "start": [`(position === undefined || isId(position)) &&`, ``, "a position may be called anything"],
  "time": [`Math.min(Math.max(0, from.time), lastTime)`, `from.time`, "a time that is far off is one long ago"],
  "back": [
    `Effect.raceFirst(Effect.andThen(back, Effect.fail("the connection is another"))),`,
    ``,
    "what was asked for over a connection that is gone is waited for",
    {
      equivalent: "it goes on when the server has not answered for five seconds"
    }
  ]
})

const places = [
  ...of("kept-runs", "packages/nats/src/internal/durable/runs.ts", inTopics, {
    "again": [`item.number <= last`, `item.number < last`, "what comes again is handed again"],
    "missed": [`item.number - last - 1`, `0`, "what is missing is not told"]
  }),
  ...of("kept-positions", "packages/nats/src/internal/durable/positions.ts", inTopics, {
    "place": [
      `decoded.value.place === place ? decoded.value`,
      `decoded.value.place !== "" ? decoded.value`,
      "a position is put in the place of another"
    ],
    "owner": [`read(now.value)?.owner === next.owner`, `now.revision > 0`, "two readers move one position"],
    "end": [
      `Effect.ignore(Effect.timeout(written, "2 seconds"))`,
      `Effect.void`,
      "what was acknowledged last is not written when a subscription ends",
      {
        equivalent: "what acknowledges has most often been sent by then, and what was sent is written all the same"
      }
    ]
  }),
  ...of("kept-replay", "packages/nats/src/internal/durable/replay.ts", suites("nats/replay.sim"), {
    "number": [`if (one?.number !== reading.next) {`, `if (false) {`, "what somebody else was given is left out"],
    "before": [`seq >= this.#start.seq)`, `seq > 0)`, "a server gives what it gave before"],
    "safe": [`Number.isSafeInteger(seq) && Number.isSafeInteger(time)`, `true`, "a number that is none is gone by"],
    "forgotten": [
      `if (!this.isOpen) yield* forgotten(reading)`,
      ``,
      "consumers that are of no use are left at the server"
    ],
    "most": [`> mostBytesAtOnce),`, `> Infinity),`, "short items have a reader hold as many long ones at once"],
    "forged": [
      `Result.isSuccess(Result.try(() => message.info))`,
      `true`,
      "who sends something to where answers are awaited ends a subscription"
    ],
    "cut": [`if (isCut) this`, `if (isCut && reading.next < 0) this`, "what was not waited for is left out"]
  }),
  ...of("kept-anew", "packages/nats/src/internal/durable/subscribing.ts", suites("nats/anew.sim"), {
    "lost": [`&& now.last >= replay.had) return`, `) return`, "numbers that are given again are left out"],
    "position": [`start, known?.seq ?? 0)`, `start, 0)`, "a position behind the end leaves out what comes up to it"]
  }),
  ...of("kept-expired", "packages/nats/src/internal/durable/positions.ts", suites("nats/anew.sim"), {
    "gone": [`now === null || now.length === 0`, `now?.length === 0`, "a position that nobody has is another's"],
    "marked": [`now === null || now.length === 0`, `now === null`, "a position that is marked as gone is another's"]
  }),
  ...of("kept-keeping", "packages/nats/src/internal/durable/keeping.ts", inTopics, {
    "number": [`if (duplicate) yield* giveBack`, ``, "what was published twice is told as missing"],
    "large": [`sealed.length > most - 512`, `false`, "what is too long is sent", {
      equivalent: "the client of NATS refuses it as well, and is understood"
    }]
  }),
  ...of("kept-open", "packages/nats/src/DurableTopics.ts", inTopics, {
    "open": [`&& own.open !== true) {`, `&& false) {`, "the server reads topics that nobody said to be open"]
  })
]

export const keptList: ReadonlyArray<Mutation> = [
  ...letters,
  ...reading,
  ...posting,
  ...around,
  ...items,
  ...signatures,
  ...subscribing,
  ...places
]
