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
  "few": [
    `if (!this.isCrowd) return Effect.void`,
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
    `return still() && (`,
    `return (`,
    "who was heard meanwhile is named all the same"
  ],
  "named-by-others": [
    `|| asked.times < enough)`,
    `|| true)`,
    "all who miss a node name it"
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
  "all-answer": [
    `random < answersInCrowd / crowd.size && `,
    ``,
    "a newcomer is answered by a thousand at once"
  ],
  "who-behind": [
    `? Effect.andThen(this.#send(source, via), crowd.service.who(source))`,
    `? this.#send(source, via)`,
    "a newcomer does not learn that it is in a crowd"
  ],
  "told-socket": [
    `if (!this.#toldBySocket.take(formatEndpoint(source), at)) return Effect.void`,
    ``,
    "one socket has all answers of a second"
  ],
  "told-all": [
    `if (!this.#told.take(at)) return crowd.isCrowd ? crowd.refute(() => true) : Effect.void`,
    ``,
    "questions are answered at any rate"
  ],
  "told-broadcast": [
    `slices === undefined && via !== undefined`,
    `slices === undefined`,
    "one datagram has all nodes of a crowd answer somebody, 32 times a second each"
  ],
  "told-to-all": [
    `return crowd.isCrowd ? crowd.refute(() => true) : Effect.void`,
    `return Effect.void`,
    "who is asked by too many has all of them connect"
  ],
  "told-newcomer": [
    `if (!this.#mayAnswer(source.host)) return Effect.void
      const within`,
    `const within`,
    "questions of newcomers are answered at any rate"
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
    `.some((place) => (bits[place >>> 3]! >> (place & 7) & 1) === 0)`,
    `.every((place) => (bits[place >>> 3]! >> (place & 7) & 1) === 0)`,
    "who is not known takes itself for known"
  ],
  "mixed": [
    `const first = mixed(hash)`,
    `const first = hash`,
    "the places of a key are not those of the text"
  ]
})

const hearing = of("crowd", "packages/core/src/internal/discovery/hearing.ts", letter, {
  "leaving": [
    `if (type === "who" && advert.port === 0) return tells`,
    ``,
    "who asks and listens nowhere is taken to leave"
  ],
  "not-asked": [
    `if (!CrowdPackets.isFor(request, self.identity.publicKey)) return this.#count("not_asked")`,
    ``,
    "who is known answers too"
  ]
})

const asking = of("crowd", "packages/core/src/internal/peers/asking.ts", whole, {
  "doubts": [
    `if (!this.#doubts.take(at)) return`,
    ``,
    "a liar has each node ask as many as he names"
  ],
  "ask-dies": [
    `return Exit.isSuccess(exit) && exit.value`,
    `if (Exit.isFailure(exit)) throw exit
      return exit.value`,
    "a question that dies is the end of all that looks after peers",
    { tests: ["Peers"] }
  ],
  "draw": [
    `if (isCrowd && random < perSlice) {`,
    `if (false) {`,
    "who crashes is missed when nobody has heard it for minutes"
  ],
  "tell": [
    `if (!this.isDoubted(entry)) return say`,
    `if (!this.isDoubted(entry)) return Effect.void`,
    "who finds that a node is gone keeps it to himself"
  ]
})

export const crowdList: ReadonlyArray<Mutation> = [...crowd, ...answers, ...packets, ...hearing, ...asking]
