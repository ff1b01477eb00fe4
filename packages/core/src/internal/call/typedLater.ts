/** `typed` in browsers: what is behind it is loaded when it is first used. */
import * as Effect from "effect/Effect"
import { later } from "../base/later.ts"
import type * as Typed from "./typed.ts"

const typed = later("typed calls", () => import("./typedCalls.ts"))

export const use: typeof Typed.use = (f) => Effect.flatMap(typed, f)
