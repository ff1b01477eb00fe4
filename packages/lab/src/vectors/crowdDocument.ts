/** What the crowd of `docs/vectors.json` holds. */
import type * as ProtocolError from "@pnet/core/ProtocolError"
import type { Bytes } from "./bytes.ts"
import type { Rule } from "./rules.ts"

/** What a `who` or an `ask` says. */
export type Said =
  | {
    readonly type: "who"
    readonly publicKey: string
    readonly name: string
    readonly host: string
    readonly port: number
    /** Hex. */
    readonly request?: string
    readonly timestamp?: number
  }
  | { readonly type: "ask"; readonly publicKey: string; readonly keys: ReadonlyArray<string> }

export interface Vector {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  readonly networkKeys: ReadonlyArray<string>
  readonly packet: Bytes
  readonly result?: Said
  readonly error?: ProtocolError.Code
}

/** Which of some keys a request is for. */
export interface RequestVector {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  readonly request: string
  readonly keys: ReadonlyArray<string>
  readonly isFor: ReadonlyArray<string>
}

export interface Document {
  readonly description: string
  readonly fields: Readonly<Record<string, string>>
  readonly valid: ReadonlyArray<Vector>
  readonly invalid: ReadonlyArray<Vector>
  readonly requests: ReadonlyArray<RequestVector>
}
