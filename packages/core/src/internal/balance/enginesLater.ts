/** `enginesOf` in browsers: what is behind them is loaded when one of several peers is called first. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Peers } from "../../Peers.ts"
import { later } from "../base/later.ts"
import type { Engines } from "./engines.ts"

const loaded = later("calls of one of several peers", () => import("./engines.ts"))

export const enginesOf = (
  peers: Peers["Service"]
): Effect.Effect<Pick<Engines, "run" | "stream">, never, Scope.Scope> =>
  Effect.map(Effect.context<Scope.Scope>(), (context) => {
    const engines = Effect.flatMap(loaded, ({ enginesOf }) => Effect.provideContext(enginesOf(peers), context))
    return {
      run: (...given) => Effect.flatMap(engines, (made) => made.run(...given)),
      stream: (...given) => Stream.unwrap(Effect.map(engines, (made) => made.stream(...given)))
    }
  })
