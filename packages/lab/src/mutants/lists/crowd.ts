/** Mutations of what nodes of a LAN of many do. */
import type { Mutation } from "../mutation.ts"
import { of, suites } from "./of.ts"

const letter = suites("Crowd.udp")
const whole = suites("Crowd.sim")

const crowd = of("crowd", "packages/core/src/internal/discovery/crowd.ts", letter, {
  "interval": [
    `return Math.max(this.#interval, this.size / this.#parts.config.broadcastBudget * 1_000)`,
    `return this.#interval`,
    "adverts grow with the nodes of a LAN"
  ],
  "thrice": [
    `Math.max(this.#interval, this.size /`,
    `Math.max(this.#interval, 3 * this.size /`,
    "a third of what may be said is",
    { tests: ["Crowd.udp", "Crowd.sim"] }
  ],
  "few": [
    `if (!this.isCrowd) return
`,
    ``,
    "nodes of a small LAN name each other"
  ],
  "refuted-for": [
    `at - this.#refutedAt < refutedFor || `,
    ``,
    "a liar has a node say its advert as often as he names it"
  ],
  "refuted-over": [
    `this.refute(() => !this.#isOver)`,
    `this.refute(() => true)`,
    "a liar who names everybody has everybody broadcast"
  ],
  "refuted-again": [
    `Effect.andThen(jittered(refutedAgain), say)`,
    `Effect.void`,
    "who is named says only once that it is there"
  ],
  "refuted-together": [
    `hasRoom() ? telling.round : Effect.void`,
    `telling.round`,
    "a liar who names everybody at once has everybody broadcast",
    { tests: ["Crowd.sim"] }
  ],
  "who-to-all": [
    ` || !sockets.isOneSocket(to)`,
    ``,
    "a node asks all where an advert claims to come from a broadcast address"
  ],
  "named-still": [
    `return still() &&
      (asked`,
    `return (asked`,
    "who was heard meanwhile is named all the same"
  ],
  "named-by-others": [
    `|| asked.hosts.length < enough)`,
    `|| true)`,
    "all who miss a node name it"
  ],
  "named-by-one": [
    `before.length >= askedByOthers || before.includes(host)`,
    `before.length >= askedByOthers`,
    "one who names a key three times keeps others from naming it"
  ],
  "share-of-names": [
    `if (this.#asksOf.take(host, at)) this.#asks.take(at)`,
    `this.#asks.take(at)`,
    "one who names all the time keeps all others from naming anybody"
  ],
  "named-rate": [
    `if (!this.#asks.take(now())) continue`,
    ``,
    "names go out however many are heard"
  ],
  "own-name": [
    `if (key === self.identity.publicKey) own = true`,
    `if (key === undefined) own = true`,
    "who is named does not say that it is there"
  ]
})

const answers = of("crowd", "packages/core/src/internal/discovery/answers.ts", letter, {
  "missing-room": [
    ` && this.#looks.take(at)`,
    ``,
    "who floods with questions has each node look at its peers for all of them"
  ],
  "all-answer": [
    `random.nextDoubleUnsafe() >= chance * answersInCrowd / crowd.size || `,
    ``,
    "a newcomer is answered by a thousand at once"
  ],
  "who-behind": [
    `      crowd.who(source)
`,
    ``,
    "a newcomer does not learn that it is in a crowd"
  ],
  "told-socket": [
    `if (!this.#toldBySocket.take(formatEndpoint(source), at)) return`,
    ``,
    "one socket has all answers of a second"
  ],
  "told-all": [
    `if (this.#told.take(at)) this.#send`,
    `if (true) this.#send`,
    "questions are answered at any rate"
  ],
  "told-broadcast": [
    `request === undefined && via !== undefined`,
    `request === undefined`,
    "one datagram has all nodes of a crowd answer somebody, 32 times a second each"
  ],
  "told-to-all": [
    `else if (crowd.isCrowd) crowd.refute(() => true)
`,
    ``,
    "who is asked by too many has all of them connect"
  ],
  "told-newcomer": [
    `if (drawn >= chance || !this.#mayAnswer(source.host)) return`,
    `if (drawn >= chance) return`,
    "questions of newcomers are answered at any rate"
  ],
  "told-chance": [
    `return this.#chance(source, answers)`,
    `return 1`,
    "a question in a victim's name is answered by all, five times a second"
  ]
})

const allowance = of("crowd", "packages/core/src/internal/discovery/allowance.ts", suites("Crowd.udp", "allowance"), {
  "missing-all": [
    `return nodes * (missing + 1) / (keys.length + 1)`,
    `return askedBy(request, nodes)`,
    "who asks again for those whose answers were lost is not answered, in a large crowd"
  ],
  "missing-one": [
    `return nodes * (missing + 1) / (keys.length + 1)`,
    `return keys.length === 0 ? nodes : nodes * missing / keys.length`,
    "where few of those that are known are asked in a victim's name, more answer than may"
  ],
  "missing-rounded": [
    `let next = drawn * step`,
    `let next = Math.floor(drawn * step)`,
    "of hardly more peers than are looked at some are hardly ever"
  ],
  "slice-asked": [
    `nodes / (request?.slices ?? 1)`,
    `nodes`,
    "a question for a slice counts as one to all"
  ],
  "missing-always": [
    `if (at - this.#at >= drawnFor) {`,
    `if (at - this.#at === Infinity) {`,
    "who finds out which peers a node looks at has all others answer"
  ],
  "missing-first": [
    `if (++at <= next) continue`,
    `if (at++ > peersDrawn) break`,
    "who makes the oldest peers of all up is answered by more"
  ],
  "one": [
    `Math.min(counted, one.level, this.#all.level)`,
    `Math.min(counted, this.#all.level)`,
    "all answer one address as often as all addresses"
  ],
  "all": [
    `Math.min(counted, one.level, this.#all.level)`,
    `Math.min(counted, one.level)`,
    "all answer as many addresses as somebody makes up"
  ],
  "refilled": [
    `(at - bucket.at) / 1_000 * rate`,
    `(at - bucket.at) * rate`,
    "what all answer together is bounded a thousand times too high"
  ],
  "kept": [
    `if (full < this.#full) this.#kept = -Infinity`,
    ``,
    "an address that has all again is kept where a crowd became smaller"
  ]
})

const newcomer = of("crowd", "packages/core/src/internal/discovery/newcomer.ts", suites("Crowd.udp", "Quiet.sim"), {
  "asks-few": [
    `      yield* this.#begin
`,
    `      yield* this.#begin
      if (!this.#isInCrowd) return
`,
    "of few a newcomer asks nobody, and does not know who cannot broadcast where an answer is lost"
  ],
  "asks-few-once": [
    `? 1 : emptyRounds`,
    `? 1 : 1`,
    "of few a newcomer stops where one answer more is lost"
  ],
  "asks-few-on": [
    `return enough - (`,
    `return enough + 1 - (`,
    "of few a newcomer asks on where nobody is left"
  ],
  "asks-last-at-once": [
    `Effect.raceFirst(jittered(beforeLast), this.#asked.await)`,
    `jittered(beforeLast)`,
    "who is asked while it waits for its last question waits on, in a crowd"
  ],
  "asks-last-later": [
    `if (left === 1 && !(isAlone && brought.some(areMany))) {`,
    `if (false) {`,
    "of newcomers on one machine some have no answer, since each node gives five in a second"
  ],
  "asks-last-waits": [
    `if (i > 0) yield* Effect.sleep(questionEvery)`,
    `yield* Effect.sleep(questionEvery)`,
    "a question that is the only one of its round waits as between two"
  ],
  "asks-later": [
    `        if (!this.#isInCrowd) return
        brought = []`,
    `        return`,
    "who asked before its adverts were heard by anybody of a crowd does not get to know it"
  ],
  "asks-next-second": [
    `!self.cipher.encrypted || `,
    `true || `,
    "who is started anew within a second asks in vain on a network with a key, and then no more"
  ],
  "asks-shared": [
    `const isAlone = this.#isInCrowd && !this.#isShared`,
    `const isAlone = this.#isInCrowd`,
    "of many that start together in a crowd each stops in the second in which nodes have no answer left"
  ],
  "asks-outspent": [
    `alone && areMany(first) && second`,
    `alone && second`,
    "a newcomer of a crowd whose answers of a second a liar has spent stops within it"
  ],
  "asks-outspent-later": [
    `!(isAlone && brought.some(areMany))`,
    `!isAlone`,
    "a newcomer of a crowd whose answers of a second a liar has spent asks thrice within it"
  ],
  "asks-many-later": [
    `!(isAlone && brought.some(areMany))`,
    `!(isAlone && areMany(brought[0]!))`,
    "a newcomer of a crowd whose first question nobody heard waits before its last as if there were few"
  ],
  "asks-shared-later": [
    `this.#isInCrowd || this.#isShared
              ? jittered(beforeLast)`,
    `this.#isInCrowd || this.#isShared
              ? Effect.void`,
    "of many that start together in a crowd each asks thrice in the second in which nodes have no answer left"
  ],
  "asks-together": [
    `this.#others > togetherFrom`,
    `this.#parts.crowd.size > togetherFrom`,
    "who starts where nearly a hundred are waits a second for those that start with it, of whom there are none"
  ],
  "asks-asked": [
    `this.#others > aloneUpTo ? Effect.never : Effect.void`,
    `Effect.never`,
    "who is told at once that it is in a crowd waits with its question until nobody answers its adverts any more"
  ],
  "asks-asked-together": [
    `this.#others > aloneUpTo ? Effect.never : Effect.void`,
    `Effect.void`,
    "of many that start together each asks before it has heard of the others"
  ]
})

const sockets = of("crowd", "packages/core/src/internal/discovery/sockets.ts", suites("Quiet.sim", "Crowd.udp"), {
  "asks-anew": [
    `        came()
`,
    `        if (this.#changes === 1) came()
`,
    "who gets an interface does not ask there"
  ]
})

const heard = of("crowd", "packages/core/src/internal/discovery/heard.ts", suites("Discovery.udp"), {
  "answers-answers": [
    `this.ear.via === undefined ? this.ear.answers.answer(this.source) : Effect.void`,
    `this.ear.answers.answer(this.source)`,
    "who is answered answers that, and has no answer left for those that start with it"
  ]
})

const packets = of("crowd", "packages/core/src/internal/wire/crowdPackets.ts", suites("crowdVectors", "Crowd.udp"), {
  "slices": [
    `return slice >= slices ? undefined`,
    `return slice > slices ? undefined`,
    "a request for a slice that is none is taken"
  ],
  "keys": [
    `return parts.length <= keysPerAsk && keys`,
    `return keys`,
    "an ask names any number of keys"
  ],
  "filter": [
    `if ((bits[place >>> 3]! >> (place & 7) & 1) === 0) return true`,
    `if ((bits[place >>> 3]! >> (place & 7) & 1) === 0) return false`,
    "who is not known takes itself for known"
  ],
  "mixed": [
    `=> mixed(hash)`,
    `=> hash`,
    "the places of a key are not those of the text"
  ]
})

const hearing = of("crowd", "packages/core/src/internal/discovery/hearing.ts", letter, {
  "leaving": [
    `if (asks && advert.port === 0) return
`,
    ``,
    "who asks and listens nowhere is taken to leave"
  ],
  "told": [
    `else if (!asks && last === undefined) newcomer.wasTold()`,
    `if (!asks && last === undefined) newcomer.wasTold()`,
    "a newcomer asks on as long as others start, whoever answers it"
  ],
  "told-again": [
    `else if (!asks && last === undefined) newcomer.wasTold()`,
    `else if (!asks) newcomer.wasTold()`,
    "a newcomer asks on as long as one tells it the same again"
  ],
  "not-asked": [
    `if (!CrowdPackets.isFor(request, this.#ownKey)) return this.#count("not_asked")`,
    ``,
    "who is known answers too"
  ],
  "asks-leaving": [
    `const stated = asks ? 1 : advert.port`,
    `const stated = advert.port`,
    "a question of who listens nowhere outdates its adverts"
  ],
  "asks-again": [
    `if (timestamp !== undefined && !this.#freshness.take(asked, 1, timestamp, packet.content)) {`,
    `if (asked === "") {`,
    "names that were recorded are heard again and again"
  ],
  "asks": [
    `outlet.give(new HeardAsking(said, from))`,
    `outlet.give(new Heard(said, from))`,
    "a question that was kept and sent again moves where a peer is asked"
  ]
})

const sightings = of("crowd", "packages/core/src/internal/peers/sightings.ts", suites("Peers"), {
  "asks-place": [
    `else if (asks !== true) entry.places.hear(`,
    `else entry.places.hear(`,
    "a question that was kept and sent again says where a peer is asked"
  ]
})

const places = of("crowd", "packages/core/src/internal/peers/places.ts", suites("Asked"), {
  "room": [
    `if (all.length <= placesKept) return all`,
    `return all`,
    "a peer has as many places as somebody makes up"
  ],
  "newest": [
    `all.slice(0, -1).findLast(`,
    `all.slice(0, -1).find(`,
    "places that are made up push out where the peer is"
  ],
  "old": [
    `return sameEndpoint(place.endpoint, endpoint) || now - place.at <= patience`,
    `return true`,
    "a peer is asked for ever where it was once"
  ]
})

const doubts = of("crowd", "packages/core/src/internal/peers/doubts.ts", suites("Asked", "Peers"), {
  "turn": [
    `        this.#byHost.delete(host)
        if (keys.size > 0) this.#byHost.set(host, keys)`,
    `        if (keys.size === 0) this.#byHost.delete(host)`,
    "a host that names many keeps others' from being asked"
  ],
  "of-host": [
    `else if (keys.size < keysPerHost) keys.add(publicKey)`,
    `else keys.add(publicKey)`,
    "one host names any number of keys that wait"
  ]
})

const guarded = of("crowd", "packages/core/src/internal/peers/guardedCrowd.ts", suites("Peers"), {
  "guarded-interval": [
    `return interval >= this.#interval && interval < Infinity ? interval : this.#interval`,
    `return interval`,
    "a discovery that says no number has nobody looked after"
  ],
  "guarded-effects": [
    `    return given.pipe(
      Effect.catchCause((cause) => Effect.as(Effect.logDebug(\`\${what} failed\`, cause), instead))
    )`,
    `    return what === "" ? Effect.succeed(instead) : given`,
    "a discovery that throws ends the looking after peers",
    { tests: ["Asked", "Peers"] }
  ]
})

const liveness = of("crowd", "packages/core/src/internal/peers/liveness.ts", whole, {
  "patience": [
    `const byBroadcast = asking.interval(undefined)`,
    `const byBroadcast = this.#interval`,
    "who says its advert seldom is asked by all again and again"
  ],
  "asks-first": [
    `if (due <= at && !asking.asksFirst(entry, at)) yield*`,
    `if (due <= at) yield*`,
    "where broadcasts are lost all connect to each other"
  ],
  "shrunk": [
    `Math.max(heardAt + lostAfter * interval, this.#answersBy(entry))`,
    `heardAt + lostAfter * interval`,
    "where most of a crowd leave at once those who are there lose each other"
  ],
  "quiet-in-time": [
    `(isCrowd ? suspectAfter : quietAfter)`,
    `suspectAfter`,
    "who came after a look is a suspect after one question",
    { tests: ["Quiet.sim"] }
  ]
})

const asking = of("crowd", "packages/core/src/internal/peers/asking.ts", whole, {
  "doubts": [
    `if (!this.#doubtRate.take(at)) return "full"`,
    ``,
    "a liar has each node ask as many as he names"
  ],
  "doubts-of-host": [
    `if (!this.#doubtRateOf.take(entry.places!.at(0).host, at)) return "not now"`,
    ``,
    "a liar who makes up nodes at a victim has all nodes ask there as often as they ask anybody",
    { tests: ["Peers"] }
  ],
  "unasked": [
    `Math.min(questions, entry.places!.count)`,
    `0`,
    "who is named is connected to, and not asked before"
  ],
  "respite": [
    `this.#ask(entry, at, respite, `,
    `this.#ask(entry, at, 0, `,
    "who is named is asked before it can say that it is there",
    { tests: ["Peers"] }
  ],
  "frozen": [
    `    if (frozen) return
`,
    ``,
    "who did not answer while this node was frozen is a suspect",
    { tests: ["Asked"] }
  ],
  "questions": [
    `this.#ask(drawn, at, 0, questions)`,
    `this.#ask(drawn, at, 0, 1)`,
    "one lost datagram makes a suspect",
    { tests: ["Asked"] }
  ],
  "doubted-again": [
    `isSettled || at - last.at >= doubtedFor ? entry`,
    `true ? entry`,
    "a liar has a peer asked as often as he names it",
    { tests: ["Peers"] }
  ],
  "settled": [
    `const isSettled = last !== undefined && entry.heardAt > last.at && last.host !== host`,
    `const isSettled = false`,
    "a liar who names a peer keeps it from being asked for ten seconds, whoever else names it",
    { tests: ["Peers"] }
  ],
  "in-turn": [
    `entry.places!.at(asked.next)`,
    `entry.places!.at(0)`,
    "a peer is asked at its last place alone",
    { tests: ["Peers"] }
  ],
  "asked-anew": [
    `if (!this.#isBeingAsked(entry)) this.#ask(entry, at, respite,`,
    `this.#ask(entry, at, respite,`,
    "who is named while it is asked is a suspect after fewer questions",
    { tests: ["Asked"] }
  ],
  "quiet-after": [
    `const quietAfter = 2.25`,
    `const quietAfter = 9`,
    "who may not broadcast is suspected, and connected to, every three intervals",
    { tests: ["Quiet.sim"] }
  ],
  "quiet-at-host": [
    `return isLoopback(host) || this.#quietRateOf.take(host, at)`,
    `return true`,
    "whoever makes up nodes at a victim has all nodes of a LAN of few ask there as often as he makes one up",
    { tests: ["Quiet.sim"] }
  ],
  "quiet-suspect": [
    `else if (!asked.isQuiet || asked.isSilent) {`,
    `else {`,
    "who does not know the question is a suspect before its time",
    { tests: ["Asked"] }
  ],
  "quiet-then-many": [
    `!asked.isQuiet || asked.isSilent`,
    `!asked.isQuiet`,
    "who was quiet before there was a crowd is no suspect there, however silent",
    { tests: ["Asked"] }
  ],
  "quiet-named": [
    `asked !== undefined && !(asked.isQuiet && asked.left === 0 && !asked.isSilent)`,
    `asked !== undefined`,
    "who was asked for its silence is not asked any more when others name it",
    { tests: ["Asked"] }
  ],
  "quiet-drawn": [
    `heardWithin * this.#interval &&
      !this.#isBeingAsked(entry)`,
    `heardWithin * this.#interval &&
      !this.#asked.has(entry)`,
    "who was silent before there was a crowd is drawn by nobody there",
    { tests: ["Asked"] }
  ],
  "quiet-then-silent": [
    `asked.left === 0 && !asked.isSilent)`,
    `asked.left === 0)`,
    "who was silent before there was a crowd is a suspect later than it should be",
    { tests: ["Asked"] }
  ],
  "quiet-once": [
    `entry.places === undefined || this.#asked.has(entry)) return`,
    `entry.places === undefined) return`,
    "who does not answer is asked on and on",
    { tests: ["Asked"] }
  ],
  "answered": [
    `return entry.heardAt <= since && entry.places`,
    `return entry.places`,
    "who answers is a suspect all the same"
  ],
  "draw": [
    `if (isCrowd && this.#parts.random.nextDoubleUnsafe() < perSlice) {`,
    `if (false) {`,
    "who crashes is missed when nobody has heard it for minutes"
  ],
  "tell": [
    `if (!this.isDoubted(entry)) return say`,
    `if (!this.isDoubted(entry)) return Effect.void`,
    "who finds that a node is gone keeps it to himself"
  ]
})

export const crowdList: ReadonlyArray<Mutation> = [
  ...crowd,
  ...answers,
  ...allowance,
  ...newcomer,
  ...heard,
  ...sockets,
  ...packets,
  ...hearing,
  ...sightings,
  ...places,
  ...doubts,
  ...guarded,
  ...liveness,
  ...asking
]
