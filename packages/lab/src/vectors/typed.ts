/** The section "typed" of `docs/vectors.json`: contracts of typed calls and their hashes, and which of them go together. */
import { hashOf, type JsonObject, textOf } from "./contractText.ts"
import { contracts, pairs } from "./typedContracts.ts"

export interface Contract {
  readonly name: string
  readonly description: string
  readonly rule: string | ReadonlyArray<string>
  readonly contract: JsonObject
  readonly text: string
  readonly hash: string
}

export interface Pair {
  readonly name: string
  readonly description: string
  readonly rule: string
  readonly caller: JsonObject
  readonly server: JsonObject
  readonly together: boolean
}

export interface Section {
  readonly description: ReadonlyArray<string>
  readonly fields: Readonly<Record<string, string>>
  readonly contracts: ReadonlyArray<Contract>
  readonly pairs: ReadonlyArray<Pair>
}

export const generate = (): Section => ({
  description: ["Typed calls, for section 13 of docs/protocol.md."],
  fields: {
    contracts: "contracts of calls; the first of them are those of the functions that the calls here are of",
    "contracts.contract": "the contract as a node sends it, but for its spaces and the order of its fields",
    "contracts.text": "what is hashed, as UTF-8",
    "contracts.hash": "the first 8 bytes of its SHA-512, hex",
    pairs:
      "two contracts of one function whose hashes differ, and whether they go together: then the caller makes its call "
      + "again with the hash of the server's"
  },
  contracts: contracts.map(({ contract, description, name, rule }) => ({
    name,
    description,
    rule,
    contract,
    text: textOf(contract),
    hash: hashOf(contract)
  })),
  pairs
})
