/** All keys that the nodes of a plan will ever have. What bites: they are drawn at once, in the same order whatever happens. */
import type { Crypto } from "@pnet/core"
import type { Plan } from "./plan.ts"

export class Identities {
  readonly #own = new Map<string, ReadonlyArray<Crypto.KeyPair>>()

  constructor(crypto: Crypto.Crypto["Service"], { nodes }: Plan) {
    for (const { name } of nodes) {
      this.#own.set(name, [crypto.generateKeyPair(), crypto.generateKeyPair(), crypto.generateKeyPair()])
    }
  }

  /** The key that a node begins with. */
  first(name: string): Crypto.KeyPair {
    return this.#own.get(name)![0]!
  }

  /** The key that a node has after another. */
  after(name: string, identity: Crypto.KeyPair): Crypto.KeyPair {
    const own = this.#own.get(name)!
    return own[(own.indexOf(identity) + 1) % own.length]!
  }
}
