/** What a command does, as a module of `run/` gives it, and what it has to do it with. */
import type * as Effect from "effect/Effect"
import type { FileSystem } from "effect/FileSystem"
import type { Path } from "effect/Path"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type { Scope } from "effect/Scope"
import type { Stdio } from "effect/Stdio"
import type { Terminal } from "effect/Terminal"
import type { Machine } from "./machine.ts"
import type { NodeParts } from "./node/NodeParts.ts"
import type { Output } from "./output/Output.ts"
import type { Settings } from "./settings/Settings.ts"
import type { Input } from "./spec.ts"

/** What every handler has. */
export type Services =
  | Output
  | Settings
  | NodeParts
  | Machine
  | FileSystem
  | Path
  | Stdio
  | Terminal
  | ChildProcessSpawner
  | Scope

/** A module of `run/`: it says what the command does. What it fails with is shown, and leads to the exit code. */
export interface Handler<S> {
  readonly run: (input: Input<S>) => Effect.Effect<void, unknown, Services>
}
