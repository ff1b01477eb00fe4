/** Nodes with files on a simulated network: each has a disk that outlives it. */
import { SimFileSystem, TestNetwork } from "@pnet/testing"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FileTransfer from "../src/FileTransfer.ts"

export interface Machine {
  readonly disk: SimFileSystem.SimDisk
  /** The files as the process has them that runs now. */
  mount: SimFileSystem.Mount
}

/** A disk with a folder `/in`, and nothing else. */
export const machine = (options?: SimFileSystem.Options): Machine => {
  const disk = SimFileSystem.make(options)
  disk.makeFolder("/in")
  return { disk, mount: disk.mount() }
}

/** A node that sends, and receives as it is told. */
export const node = (machine: Machine, options: FileTransfer.Options | (() => FileTransfer.Options) = {}) =>
  TestNetwork.node({
    beside: typeof options === "function"
      ? Layer.unwrap(Effect.sync(() => FileTransfer.layer(options())))
      : FileTransfer.layer(options),
    services: Layer.unwrap(Effect.sync(() => {
      machine.mount = machine.disk.mount()
      return machine.mount.layer
    }))
  })

/** What a node sends and receives with. */
export const filesOf = (of: TestNetwork.TestNode<any, any>): FileTransfer.FileTransfer["Service"] =>
  Context.get(of.context as Context.Context<FileTransfer.FileTransfer>, FileTransfer.FileTransfer)
