/** An advert as it was heard, which is the sighting of its node. The same one is given on as often as it is heard again. */
import * as Effect from "effect/Effect"
import type { Sighting } from "../../Discovery.ts"
import type { Endpoint } from "../../Network.ts"
import type { NodeName } from "../../Packet.ts"
import type { PublicKey } from "../../PublicKey.ts"
import { kept } from "../base/kept.ts"
import type { Answers } from "./answers.ts"
import type { Target } from "./interfaces.ts"
import type { Private } from "./sockets.ts"
import * as Sources from "./sources.ts"

/** A socket that hears adverts: a private one, or the shared one, which may have to drop what comes from other subnets. */
export interface Ear {
  readonly via: Private | undefined
  readonly subnet: Target | undefined
  readonly answers: Answers
  /** Whether something that it heard is still to be looked at. What comes then has to wait behind it. */
  behind: boolean
}

/** There is one for each peer, so it has no more to it than it needs. */
export class Heard implements Sighting {
  readonly name: NodeName
  readonly publicKey: PublicKey
  readonly endpoint: Endpoint
  readonly source: Endpoint
  readonly local: boolean
  /** How often the sockets had changed when it was last looked whether it is local. */
  localAt: number
  readonly ear: Ear
  /** What its freshness is known by, where its network has a key. */
  readonly place: string | undefined;
  [kept]: object | undefined = undefined

  constructor(
    said: { readonly name: NodeName; readonly publicKey: PublicKey; readonly endpoint: Endpoint },
    from: {
      readonly source: Endpoint
      readonly local: boolean
      readonly localAt: number
      readonly ear: Ear
      readonly place: string | undefined
    }
  ) {
    this.name = said.name
    this.publicKey = said.publicKey
    this.endpoint = Sources.sameAsRecent(said.endpoint)
    this.source = Sources.sameAsRecent(from.source)
    this.local = from.local
    this.localAt = from.localAt
    this.ear = from.ear
    this.place = from.place
  }

  get via(): string {
    return "broadcast"
  }

  /** What came to a private socket was said to this node alone, which its sender knows: it was an answer. */
  get answer(): Effect.Effect<void> {
    return this.ear.via === undefined ? this.ear.answers.answer(this.source) : Effect.void
  }
}

/** One that came with a question. */
export class HeardAsking extends Heard {
  readonly asks = true
}
