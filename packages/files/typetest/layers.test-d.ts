/** What the layer for files gives, needs and can fail with, exactly. The compiler checks it: nothing here is run. */
import type { AdvancedNode } from "@pnet/core/AdvancedNode"
import type { DuplicateFunctionError } from "@pnet/core/FunctionError"
import { FileTransfer, type TransferError } from "@pnet/files"
import type { Effect, FileSystem, Layer, Path } from "effect"
import { expectTypeOf } from "vitest"

expectTypeOf(FileTransfer.layer()).toEqualTypeOf<
  Layer.Layer<
    FileTransfer.FileTransfer,
    DuplicateFunctionError | TransferError.FolderError,
    AdvancedNode | FileSystem.FileSystem | Path.Path
  >
>()

declare const files: FileTransfer.FileTransfer["Service"]
expectTypeOf(files.send("bob", ["a"])).toExtend<Effect.Effect<{ readonly failed: number }, FileTransfer.SendError>>()

// @ts-expect-error: there is no such policy
FileTransfer.layer({ receive: { folder: "in", collisions: "replace" } })
