/** Mutations of what nodes tell of what they offer, and of what others take of it. */
import type { Mutation } from "../mutation.ts"
import { of, suites } from "./of.ts"

const told = suites("Telling.sim", "Own")
const asked = suites("Following.sim")

const telling = of("telling", "packages/core/src/internal/offers/telling.ts", told, {
  "often": [
    `if (!this.#streams.take(publicKey, nowUnsafe(this.#clock))) {`,
    `if (false) {`,
    "a peer that asks without end is answered each time"
  ],
  "credit": [`stream.ease(0)`, ``, "who asks what is offered takes the credit of calls"],
  "one": [
    `before?.stream.reset("cancelled", "it was asked for again")`,
    ``,
    "a peer has any number of streams on which it is told"
  ],
  "rate": [
    `wait > 0 ? Effect.sleep(wait) : Effect.yieldNow`,
    `Effect.yieldNow`,
    "a node that changes all the time has its peers read all the time"
  ],
  "same": [
    `this.#line !== undefined && equal(this.#line, line) ? this.#line : line`,
    `line`,
    "what has not changed is told again"
  ],
  "left-out": [
    `    this.#tell(listener, this.#current())
    this.#warn()`,
    `    this.#tell(listener, this.#current())`,
    "who subscribes to more than can be told before anybody asks never hears of it"
  ],
  "reading": [
    `if (stream.buffered >= lowWater) {`,
    `if (false) {`,
    "what a peer does not read is kept for it"
  ]
})

const own = of("own-offer", "packages/core/src/internal/offers/own.ts", told, {
  "functions": [`served.slice(0, Offer.maxFunctions)`, `served`, "a node tells of more functions than a line may have"],
  "subscriptions": [`.slice(0, Offer.maxTopics)`, ``, "a node tells of more subscriptions than a line may have"],
  "room": [
    `functionsOf(withTopics, all)`,
    `functionsOf(stated, all)`,
    "functions take the room that subscriptions have, and the line is too long"
  ],
  "length": [
    `if (length > Offer.maxLength + lineFeed) break`,
    ``,
    "a node says a line that is too long"
  ]
})

const text = of("offer-text", "packages/core/src/internal/offers/offerText.ts", suites("offerVectors", "Own"), {
  "topic": [
    `return isInterest(interest) ? interest : undefined`,
    `return interest`,
    "any object is a subscription"
  ],
  "topic-ids": [
    `interest === undefined || topics.has(interest.id)`,
    `interest === undefined`,
    "two subscriptions have one id"
  ],
  "topics": [
    `value.length > Offer.maxTopics`,
    `false`,
    "a peer has any number of subscriptions"
  ],
  "topic-size": [
    `return Offer.interest(said).size === size ? said : { ...said, size }`,
    `return said`,
    "what a subscription has room for is not told"
  ]
})

const following = of("following", "packages/core/src/internal/offers/following.ts", asked, {
  "roles": [
    `roles: claimed.roles.filter((role) => Rights.allows(roles, role)),`,
    `roles: claimed.roles,`,
    "a role is held by who says so"
  ],
  "topics": [
    `topics: claimed.topics.filter(({ topic }) => Rights.allows(subscribes, topic))`,
    `topics: claimed.topics`,
    "what is published is sent to who asks for it"
  ],
  "functions": [
    `functions: Rights.allowsAll(serves)`,
    `functions: true`,
    "a service is served by who says so"
  ],
  "changes": [
    `() => Effect.sync(() => this.#judgeAll())`,
    `() => Effect.void`,
    "what the policy grants from now on, and does not any more, counts for nothing"
  ],
  "lingering": [
    `!this.#isWanted && this.#parts.now() - this.#unwantedAt >= lingering`,
    `false`,
    "peers are asked for ever since somebody wanted to know"
  ],
  "moved": [
    `if (attempt?.stream?.isLeftBehind === true)`,
    `if (attempt?.stream?.isLeftBehind === undefined && attempt?.stream !== undefined)`,
    "a session that was replaced is kept for what its peer offers"
  ],
  "room": [
    `if (this.#all.size >= this.#parts.limits.offers && !this.#makeRoom(publicKey, at)) {`,
    `if (false) {`,
    "any number of peers is asked"
  ],
  "vain": [
    `if (!followed.tried || followed.attempt !== undefined || followed.claimed !== undefined) continue`,
    `continue`,
    "those who never answer leave no room for those who do"
  ],
  "memory": [`if (held > limits.offerMemory) {`, `if (false) {`, "what peers offer takes any memory"],
  "first": [
    `followed.isFirst !== first`,
    `false`,
    "those who never answer are asked before who has just come"
  ],
  "patience": [
    `const wait = this.#patientUntil - this.#parts.now()`,
    `const wait = patience`,
    "a call waits for whoever has just come"
  ],
  "flapping": [
    `if (wait <= 0) return this.#enter(followed, attempt, line)`,
    `return this.#enter(followed, attempt, line)`,
    "a peer that flaps has all readers of events follow it"
  ],
  "ending": [
    `const lasted = answeredAt !== undefined && at - answeredAt >= lasting`,
    `const lasted = answeredAt !== undefined`,
    "a peer that ends its stream is asked without end"
  ],
  "judging": [
    `followed.judging?.interruptUnsafe()
    followed.judging`,
    `followed.judging`,
    "a policy that never answers is asked for each line of each peer"
  ]
})

const choice = of("choice", "packages/core/src/internal/peers/choice.ts", suites("Following.sim", "Targets.sim"), {
  "least": [
    `Math.min(Math.ceil(least), Number.MAX_SAFE_INTEGER)`,
    `least`,
    "whoever waits for a half of the peers is broken when they are not there in time"
  ],
  "draining": [`(drained || peer.offer?.draining !== true)`, `true`, "a peer that is about to leave is chosen"],
  "predicate": [
    `wanted.where(peer) === true`,
    `wanted.where(peer)`,
    "a promise is taken for yes"
  ],
  "shared": [
    `const named = table.isAnyShared`,
    `const named = false`,
    "of a name that two use one is chosen"
  ],
  "contract": [
    `(contract === undefined || functions[name] === contract)`,
    `true`,
    "a peer of another contract is chosen"
  ],
  "inherited": [
    `Object.hasOwn(functions, name) && (contract`,
    `name in functions && (contract`,
    "every peer serves what every object has"
  ],
  "blind": [
    `if (this.#isBlind(wanted)) return`,
    `if (lookup.closed) return`,
    "a node that knows no offers calls nobody, and says nothing"
  ],
  "everybody": [
    `(rights) => maySay(rights, names)`,
    `() => true`,
    "who may not serve a group is sent the calls of all"
  ],
  "group": [
    `const able = group === undefined`,
    `const able = group === undefined || !wanted.everybody`,
    "who has the role and does not serve the group is sent its calls"
  ]
})

const lines = of("offer-lines", "packages/core/src/internal/offers/lines.ts", suites("Lines"), {
  "long": [`if (length > maxLength) return false`, ``, "a line that never ends is held"],
  "begun": [
    `if (begin >= 0) this.#length = 0`,
    ``,
    "what a peer offers begins with the beginning of what it offered before"
  ]
})

export const offersList: ReadonlyArray<Mutation> = [...lines, ...telling, ...own, ...text, ...following, ...choice]
