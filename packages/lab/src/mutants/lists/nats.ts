/** Mutations of the connection to NATS, and of how nodes find each other over it. */
import type { Mutation } from "../mutation.ts"
import { of, suites } from "./of.ts"

const simulated = suites("nats/discovery.sim")

const said = [
  ...of("nats-dropped", "packages/nats/src/internal/dropped.ts", suites("nats/said"), {
    "escaped": [
      `Why.escape(what.slice(0, longest))`,
      `what.slice(0, longest)`,
      "a subject clears the screen of who reads the log"
    ],
    "long": [`what.slice(0, longest)`, `what`, "a subject fills the log"]
  }),
  ...of("nats-errors", "packages/nats/src/NatsError.ts", suites("nats/said"), {
    "escaped": [
      `\`: \${Why.escape(cause.message)}\``,
      `\`: \${cause.message}\``,
      "a server's error clears the screen of who reads it"
    ]
  })
]

const taken = of("nats-bytes", "packages/nats/src/internal/bytes.ts", suites("nats/bytes"), {
  "short": [`if (taken.length < length) this.isShort = true`, ``, "a letter that ends in the midst of a name is read"],
  "text": [`if (text === undefined) this.isShort = true`, ``, "a name that is no text is read as none"]
})

const bus = of("nats-bus", "packages/nats/src/internal/bus.ts", suites("nats/bus", "nats/discovery.sim"), {
  "forbidden": [
    `if (!bus.isOfNetwork(event.error.subject) ||`,
    `if (!event.error.subject.startsWith("pnet.") ||`,
    "a server has as many lines logged, and kept, as it likes",
    { tests: ["nats/said"] }
  ],
  "twin": [`if (from === this.own) return this.#meetTwin()`, ``, "two nodes of one key never learn of each other"],
  "twin-once": [`if (this.#hasTwin) return`, ``, "each message of a node with this one's key is said to all"],
  "nobody": [
    `if (status === 0 && from.length !== Tokens.characters) return`,
    ``,
    "who is no node is listened to",
    { tests: ["nats/discovery.sim"] }
  ],
  "all": [
    `const kind = end < 0 ? subject.slice(kindAt) :`,
    `const kind = end < 0 ? subject.slice(kindAt).replace(/^say\\./, "") :`,
    "all do what one is to be asked for",
    { tests: ["nats/discovery.sim"] }
  ],
  "reply": [
    `return reply.startsWith(expected) ? reply.slice(expected.length) : ""`,
    `return reply.slice(expected.length)`,
    "an answer goes where whoever asks says",
    { tests: ["nats/discovery.sim"] }
  ],
  "answer": [
    `} else if (pending.to === from || pending.to === Subjects.everyone) pending.done(`,
    `} else pending.done(`,
    "anybody answers what one is asked"
  ],
  "requests": [
    `      if (this.#pending.size >= mostRequests) return resume(Effect.fail("Down"))
`,
    ``,
    "questions that wait for an answer have no bound",
    { tests: ["nats/discovery.sim"] }
  ],
  "requests-freed": [
    `return Effect.sync(() => this.#pending.delete(id))`,
    `return Effect.void`,
    "questions that nobody answered take the room of others for good",
    { tests: ["nats/discovery.sim"] }
  ],
  "outstanding": [
    `if (!this.#up || this.#sent - this.#taken > mostOutstanding) return false`,
    `if (!this.#up) return false`,
    "what a server is sent that takes nothing has no bound"
  ],
  "full": [
    `return this.#sent - this.#taken > full`,
    `return false`,
    "nobody who sends is told that the server is behind"
  ],
  "later": [
    `if (!this.#up || this.#sent - this.#taken > mostOutstanding) return false`,
    `if (this.#sent - this.#taken > mostOutstanding) return false`,
    "what is said without a server is kept for later"
  ],
  "waiting": [
    `if (!up) { for (const { done } of this.#pending.values()) done(Exit.fail("Down")) }`,
    ``,
    "who waits for an answer waits on when the server is gone"
  ],
  "denied": [
    `if (denied !== undefined) return yield* denied`,
    ``,
    "a node starts that may not do what it has to"
  ]
})

const known = of("nats-known", "packages/nats/src/internal/known.ts", simulated, {
  "own": [
    `if (!isOwn || known?.sighting.endpoint.host !== host && Subjects.ofHost(host) !== from) {`,
    `if (known?.sighting.endpoint.host !== host && Subjects.ofHost(host) !== from) {`,
    "a node says that it is another"
  ],
  "host": [
    `if (!isOwn || known?.sighting.endpoint.host !== host && Subjects.ofHost(host) !== from) {`,
    `if (!isOwn) {`,
    "a node says that it is where another is"
  ],
  "old": [
    `if (known !== undefined && timestamp < known.timestamp) return`,
    `if (false) return`,
    "an advert that was kept counts again"
  ],
  "capacity": [`if (this.#all.length >= this.#capacity)`, `if (false)`, "those that are known have no bound"],
  "superseded": [
    `if (known.sighting !== sighting) return -Infinity`,
    ``,
    "a node is there under what it said before"
  ],
  "missed": [`if (!known.isThere) return known.until`, ``, "a node that does not answer is there"],
  "left": [`this.miss(known, -Infinity)`, ``, "a node that has left is there"],
  "missed-again": [
    `if (known.isThere) known.until = until`,
    `known.until = until`,
    "a node that does not answer was there whenever it is asked"
  ]
})

const discovery = of("nats-discovery", "packages/nats/src/internal/discovery.ts", simulated, {
  "kept": [
    `if (known.isThere && !this.#isKept(known, at)) this.#tell(known, at)`,
    `if (known.isThere) this.#tell(known, at)`,
    "each that is known costs something in each interval"
  ],
  "told": [
    `if (known.isThere && !this.#isKept(known, at)) this.#tell(known, at)`,
    ``,
    "what was told and not kept is never told again"
  ],
  "kept-for-ever": [
    ` && at - toldAt < toldEvery * interval`,
    ``,
    "what is kept is never told again, whatever became of who may be whom"
  ],
  "back": [
    `else if (outcome !== "Again" || !this.#isKept(known, at)) this.#tell(known, at)`,
    `else if (!this.#isKept(known, at)) this.#tell(known, at)`,
    "a node that answers again is told of late"
  ],
  "gone-at": [
    `why === "Gone" ? at - rounds * interval : at)`,
    `at)`,
    "a node that is gone is as one that is slow"
  ],
  "heard-since": [
    ` && known === before && known.signs === signs`,
    ``,
    "a node that has begun since it was asked is not there"
  ],
  "down-at": [
    `bus.isUp() ? now() : this.#downAt)`,
    `now())`,
    "nodes are there while there is no server"
  ],
  "source": [
    `!this.#advertsOf.take(from, at) || !this.#adverts.take(at)`,
    `!this.#adverts.take(at)`,
    "one node says as much as all"
  ],
  "sources": [
    `!this.#advertsOf.take(from, at) || !this.#adverts.take(at)`,
    `!this.#advertsOf.take(from, at)`,
    "adverts of senders without number have no bound"
  ],
  "doubts": [`if (!this.#doubtsOf.take(from, at)) return`, ``, "one node has all asked without end"],
  "doubts-many": [
    `Tokens.decode(data, mostDoubted)`,
    `Tokens.decode(data, Infinity)`,
    "one message has everybody asked"
  ],
  "asked": [`if (this.#asked.has(token)) return Effect.void`, ``, "a node is asked by each as often as others say"],
  "news": [`if (isThere && isNews) bus.publish`, `if (isThere) bus.publish`, "each who is told of a loss tells all"],
  "answers": [` || !this.#answers.take(at)) return`, `) return`, "all who ask are answered without end"],
  "answers-source": [`!this.#answersOf.take(from, at) || `, ``, "one who asks is answered without end"],
  "refute": [
    `this.#answers.taken(at) > refuteAbove && `,
    `false && `,
    "a node of which somebody says that it is gone is asked by all"
  ],
  "lists": [
    `if (reply === "" || !this.#lists.take(now())) return`,
    `if (reply === "") return`,
    "lists are given without end"
  ],
  "lately": [`this.#askLately(at)`, ``, "a site that was cut off is not found when it is back"],
  "after": [
    `if (missing.length <= listed.length) this.#enqueue(missing)`,
    ``,
    "who ended while the server was gone is there for long"
  ],
  "chance": [
    `random.nextDoubleUnsafe() >= chance || `,
    ``,
    "all answer a newcomer"
  ],
  "leaving": [
    `this.#packet({ ...self, port: 0 })`,
    `this.#packet(self)`,
    "a node that leaves is missed"
  ]
})

const directory = of("nats-directory", "packages/nats/src/internal/directory.ts", suites("nats/discovery"), {
  "enter": [`(bucket) => bucket.put(this.#bus.own, empty)`, `() => Promise.resolve()`, "no node is in the directory"],
  "leave": [
    `(bucket) => bucket.delete(this.#bus.own)`,
    `() => Promise.resolve()`,
    "a node that has left is in the directory"
  ],
  "nodes": [`Stream.filter(Subjects.isNode),`, ``, "what is in the directory is no node"],
  "most": [`Stream.take(this.#most),`, ``, "a directory is read without end"]
})

const headers = of("nats-headers", "packages/nats/src/internal/headers.ts", suites("nats/headers"), {
  "unreadable": [
    `message.hdr < 0 || isReadable(data.subarray(0, message.hdr))`,
    `true`,
    "a message whose headers cannot be read ends the connection"
  ],
  "data": [
    `take.call(protocol, { ...message, hdr: -1 }, data.subarray(message.hdr))`,
    `undefined`,
    "a letter whose headers cannot be read is given again for ever"
  ],
  "bytes": [`bytes.length <= mostBytes && `, ``, "headers of any length are read"],
  "lines": [`hasFewLines(bytes) && `, ``, "headers of many lines take the client longer than all else does"]
})

const pages = of("nats-pages", "packages/nats/src/internal/pages.ts", suites("nats/bounds"), {
  "taken": [
    `this.#head < sent.length && sent[this.#head]!.at <= taken`,
    `this.#head < sent.length`,
    "a message is written over before the server has it"
  ],
  "most": [`if (this.#sent.length - this.#head >= most) return`, ``, "all memory of what was sent is kept"]
})

const rates = of("nats-rates", "packages/nats/src/internal/rate.ts", suites("nats/bounds"), {
  "sources": [`if (this.#rates.size >= mostSources) this.#rates.clear()`, ``, "who sends is remembered for ever"]
})

const acknowledging = of(
  "nats-acknowledging",
  "packages/nats/src/internal/durable/acknowledging.ts",
  suites("nats/replay.sim"),
  {
    "open": [`if (handed.length >= mostOpen) room.closeUnsafe()`, ``, "any number of items wait to be acknowledged"],
    "era": [`era !== stream || `, ``, "what was of another stream is acknowledged of this one"]
  }
)

export const natsList: ReadonlyArray<Mutation> = [
  ...pages,
  ...rates,
  ...acknowledging,
  ...said,
  ...taken,
  ...bus,
  ...known,
  ...discovery,
  ...directory,
  ...headers
]
