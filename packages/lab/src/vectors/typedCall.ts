/** How a typed call stands in `docs/vectors.json`, in either form. */
import type { Json, JsonObject } from "./contractText.ts"

/** What one side says, before the other side goes on. */
export interface Turn {
  readonly from: "caller" | "server"
  readonly hex?: string
  readonly text?: string
  /** Whether its END comes behind it. */
  readonly end?: true
  /** The code of the RESET that comes behind it. */
  readonly reset?: string
}

export interface Result {
  readonly type: "success" | "failed" | "broken" | "mismatch" | "reset" | "malformed" | "too_large"
  readonly value?: Json
  readonly error?: Json
  readonly others?: ReadonlyArray<Json>
  readonly code?: string
  readonly together?: boolean
  readonly elements?: ReadonlyArray<Json>
}

export interface Call {
  readonly name: string
  readonly description: string
  readonly rule: string | ReadonlyArray<string>
  readonly function: string
  readonly open: JsonObject
  readonly caller?: {
    readonly contract: string
    readonly payload: Json
    readonly headers?: ReadonlyArray<readonly [string, string]>
    readonly discard?: true
    readonly window?: number
  }
  readonly request?: {
    readonly flags: number
    readonly hash: string
    readonly window: number
    readonly headers?: string
    readonly payload: string
  }
  readonly turns: ReadonlyArray<Turn>
  readonly result: Result
  /** The call that the caller makes next. */
  readonly next?: string
}
