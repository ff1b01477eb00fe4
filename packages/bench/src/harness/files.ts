/**
 * Two nodes that send files, and what is used instead of that where there is only a call: one for each file, whose function writes, syncs and renames it,
 * as a program does that wants a file to be there or not.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as AdvancedNode from "@pnet/core/AdvancedNode"
import * as FileBatches from "@pnet/files/FileBatches"
import * as FileTransfer from "@pnet/files/FileTransfer"
import * as LargeFiles from "@pnet/files/LargeFiles"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { open, readdir, readFile, rename } from "node:fs/promises"
import { join } from "node:path"
import * as Nodes from "./nodes.ts"

const put = (folder: string) => ({ whole }: AdvancedNode.Call) =>
  Effect.gen(function*() {
    const bytes = yield* whole
    const at = 1 + bytes[0]!
    const name = Buffer.from(bytes.subarray(1, at)).toString()
    const part = join(folder, `.${name}`)
    const file = yield* Effect.promise(() => open(part, "wx"))
    yield* Effect.promise(() => file.write(bytes, at).then(() => file.sync()).then(() => file.close()))
    yield* Effect.promise(() => rename(part, join(folder, name)))
    return "ok"
  })

/** A node that receives files, and takes streams and calls with files, into a folder. */
export const receiver = (name: string, network: Nodes.NodeNetworkOptions, folder: string) =>
  Layer.build(
    FileTransfer.layer({ receive: { folder, accept: "all" } }).pipe(
      Layer.provideMerge(
        AdvancedNode.layer({ ...Nodes.options(name, network), functions: { sink: Nodes.sink, put: put(folder) } })
      ),
      Layer.provide([NodeFileSystem.layer, NodePath.layer, FileBatches.layer(), LargeFiles.layer()])
    )
  )

/** A node that sends them. */
export const sender = (name: string, network: Nodes.NodeNetworkOptions, to: string) =>
  Effect.gen(function*() {
    const context = yield* Layer.build(
      FileTransfer.layer().pipe(
        Layer.provideMerge(AdvancedNode.layer(Nodes.options(name, network))),
        Layer.provide([NodeFileSystem.layer, NodePath.layer, FileBatches.layer(), LargeFiles.layer()])
      )
    )
    const node = Context.get(context, AdvancedNode.AdvancedNode)
    yield* node.peers.awaitPeer(to)
    return { node, files: Context.get(context, FileTransfer.FileTransfer) }
  })

/** Sends what is at a path, and gives how many files there are then. */
export const send = (files: FileTransfer.FileTransfer["Service"], to: string, path: string) =>
  Effect.flatMap(
    files.send(to, [path]),
    ({ failed, files }) => failed === 0 ? Effect.succeed(files) : Effect.die(`${failed} files did not arrive`)
  )

/** Calls once for each file of a folder, one after another, and gives how many there were. */
export const putAll = (node: AdvancedNode.AdvancedNode["Service"], to: string, folder: string) =>
  Effect.gen(function*() {
    const names = yield* Effect.promise(() => readdir(folder))
    for (const name of names) {
      const content = yield* Effect.promise(() => readFile(join(folder, name)))
      yield* node.request(to, "put", Buffer.concat([Buffer.of(name.length), Buffer.from(name), content]))
    }
    return names.length
  })
