/** The section "typed" of `docs/vectors.json`: contracts of typed calls and their hashes, and which of them go together. */
import { hashOf, type JsonObject, textOf } from "./contractText.ts"
import * as Binary from "./typedBinary.ts"
import { contracts, pairs } from "./typedContracts.ts"
import * as Json from "./typedJson.ts"
import * as Samples from "./typedSamples.ts"

export interface Contract {
  readonly name: string
  readonly description: string
  readonly rule: string | ReadonlyArray<string>
  readonly contract: JsonObject
  readonly text: string
  readonly hash: string
  readonly json?: { readonly text: string; readonly hash: string }
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
  readonly samples: Samples.Section
  readonly binary: Binary.Section
  readonly json: Json.Section
}

export const generate = (): Section => ({
  description: [
    "Typed calls, for section 13 of docs/protocol.md: what each side says in the stream of a call, and what the call comes to.",
    "The functions: add gives the sum; greet says Hello, in capitals where it is loud; read knows /a, fails of others with Gone, and "
    + "has a middleware that fails with Denied where there is no header token; breaks breaks; count gives the numbers from 1, and fails "
    + "behind 3 with TooFar; pieces gives for each length so many bytes of that value; grow gives the tree { name: \"new\" } that has the "
    + "tree as its only child; later gives the time so many milliseconds on, and none for 0; spell joins its texts, 9, 10 and x; both fails twice, with Gone of /a and of /b; "
    + "nothing does nothing.",
    "Where a stream is cut into chunks, and the order of JSON's fields, are an implementation's own."
  ],
  fields: {
    contracts: "contracts of calls; the first of them are those of the functions that the calls here are of",
    "contracts.contract": "the contract as a node sends it, but for its spaces and the order of its fields",
    "contracts.text": "what is hashed, as UTF-8",
    "contracts.hash": "the first 8 bytes of its SHA-512, hex",
    "contracts.json": "both for rpc-json, where they are others",
    pairs:
      "two contracts of one function whose hashes differ, and whether they go together: then the caller makes its call "
      + "again with the hash of the server's",
    samples: "what SchemaBinary makes of values of every kind: the list by which an encoder is known",
    "samples.fingerprint":
      "of the encoder of pnet/1: the first 8 bytes of the SHA-512 of all hex, each behind its length, hex",
    "samples.values.schema": "JSON Schema of the value, with the keyword binary as it is in contracts",
    "samples.values.value": "the value as JSON, which has no -0",
    "samples.values.hex": "what the encoder makes of it",
    binary: "calls of rpc; the values in them are as the SchemaBinary of Effect 4.1.0 writes them",
    "binary.calls": "whole calls, to which both sides can be held",
    "binary.requests": "requests as no caller makes them, or that are not run, and what a server does with them",
    "binary.answers": "answers as no server makes them, or that are none, and what a caller takes them for",
    json:
      "calls of rpc-json, in lists of the same names and meanings; text is what a side says in place of hex. What a description says, "
      + "which any error and any mismatch may have, is an implementation's own as well",
    "binary.*.open": "what OPEN says",
    "binary.*.caller": "what is called, by which of the contracts, with the payload as its Schema's JSON; "
      + "discard: the result is not wanted. A window that is not said is 16",
    "binary.*.request": "what is in the request of that; headers is the JSON, payload the encoded payload, hex",
    "binary.*.turns":
      "what is said, in this order; nothing else comes before the next turn of the other side. hex is data of the stream, end "
      + "that END follows, and reset the code of a RESET that does",
    "binary.*.result":
      "what it comes to: values and errors as their Schemas' JSON, the elements of a stream as one list; reset, by the other "
      + "side; malformed, an answer that is none; a mismatch that is together is followed by the call again, which is the one that next names"
  },
  contracts: contracts.map(({ contract, description, name, rule }) => {
    const hash = hashOf(contract)
    const other = Json.contractOf(contract)
    const json = { text: textOf(other), hash: hashOf(other) }
    return { name, description, rule, contract, text: textOf(contract), hash, ...(json.hash === hash ? {} : { json }) }
  }),
  pairs,
  samples: { rule: ["typed-values", "contract-encoder"], ...Samples.generate() },
  binary: Binary.generate(),
  json: Json.generate()
})
