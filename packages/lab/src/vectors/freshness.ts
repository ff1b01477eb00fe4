/**
 * The section "freshness" of `docs/vectors.json`: adverts of a network with a key that come by datagram one after another, and which of them are
 * news. Built from the text of protocol section 2, and shares no code with the library.
 */
import type { Rule } from "./rules.ts"

export interface Step {
  /** Seconds since the epoch. */
  readonly clock: number
  readonly timestamp: number
  readonly token: string
  readonly node: string
  readonly host: string
  readonly port: number
  readonly news: boolean
}

export interface Sequence {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  readonly steps: ReadonlyArray<Step>
}

export interface Section {
  readonly description: ReadonlyArray<string>
  readonly fields: Readonly<Record<string, string>>
  readonly sequences: ReadonlyArray<Sequence>
}

const at = 1_767_225_600
let tokens = 0

type Said = Partial<Step> & Pick<Step, "news">

/** An advert of alpha's, made and heard so many seconds later than the first, in a token of its own unless one is named. */
const advert = (after: number, said: Said): Step => ({
  clock: at + after,
  timestamp: at + after,
  token: `token ${++tokens}`,
  node: "alpha",
  host: "10.0.0.1",
  port: 4_000,
  ...said
})

const sequence = (name: string, rule: Rule, description: string, ...steps: ReadonlyArray<Step>): Sequence => ({
  name,
  description,
  rule,
  steps
})

export const generate = (): Section => {
  tokens = 0
  return {
    description: [
      "Adverts that a node on a network with a key hears by datagram, one after another, and which of them it takes; their tokens open, and their "
      + "sources are their hosts. A node knows nothing before the first."
    ],
    fields: {
      clock: "the receiver's clock, in seconds since the epoch",
      timestamp: "the token's",
      token: "which token it is: two that are called the same are the same bytes",
      node: "whose key it has",
      host: "the host that it names, and comes from",
      port: "the port that it names; 0 is leaving",
      news: "whether it is taken; else it is dropped, and is no sign of life"
    },
    sequences: [
      sequence(
        "fresh-in-order",
        "token-advert-time",
        "later ones, and others of the same second",
        advert(0, { news: true }),
        advert(0, { news: true }),
        advert(2, { news: true })
      ),
      sequence(
        "fresh-older",
        "token-advert-time",
        "one with an older timestamp than the newest of its key and host is dropped",
        advert(2, { news: true }),
        advert(3, { timestamp: at + 1, news: false }),
        advert(3, { timestamp: at + 2, news: true })
      ),
      sequence(
        "fresh-twice",
        "token-once",
        "a token that has come is dropped, in its second and later",
        advert(0, { token: "recorded", news: true }),
        advert(0, { token: "recorded", news: false }),
        advert(20, { timestamp: at, token: "recorded", news: false })
      ),
      sequence(
        "fresh-leaving",
        "token-advert-leaving",
        "after leaving only a later timestamp counts",
        advert(0, { news: true }),
        advert(1, { port: 0, news: true }),
        advert(1, { news: false }),
        advert(2, { timestamp: at + 1, port: 0, news: false }),
        advert(2, { news: true })
      ),
      sequence(
        "fresh-other-host",
        "token-advert-time",
        "each host that adverts of a key name is by itself: who dates one ahead outdates nothing of another",
        advert(0, { timestamp: at + 50, host: "10.0.0.9", news: true }),
        advert(1, { news: true })
      ),
      sequence(
        "fresh-other-key",
        "token-advert-time",
        "and so is each key",
        advert(5, { news: true }),
        advert(5, { node: "beta", timestamp: at, news: true })
      ),
      sequence(
        "fresh-ahead",
        "token-advert-time",
        "one that is ahead of the receiver's clock counts as no newer than that clock",
        advert(0, { timestamp: at + 30, news: true }),
        advert(1, { news: true })
      ),
      sequence(
        "fresh-forgotten",
        "token-advert-time",
        "what is more than 60 s from the clock is forgotten, as when that was set back",
        advert(0, { news: true }),
        advert(-61, { news: true }),
        advert(-61, { timestamp: at - 62, news: false })
      ),
      sequence(
        "fresh-17",
        "token-once",
        "the seventeenth of one second is taken, and no other of that second",
        ...Array.from({ length: 17 }, () => advert(0, { news: true })),
        advert(0, { news: false }),
        advert(1, { news: true })
      )
    ]
  }
}
