/**
 * How the content of files is hashed: SHA-256, as the wire has it. By default by the platform's own where it has one that takes a file part by part
 * (Node, Bun, Deno), and in JavaScript otherwise, which is the same and some ten times slower.
 *
 * @since 0.2.0
 */
import { sha256 } from "@noble/hashes/sha2.js"
import * as Context from "effect/Context"
import { builtIn } from "./internal/platform.ts"

/**
 * A hash that is being made.
 *
 * @category models
 * @since 0.2.0
 */
export interface Hasher {
  /** Takes the next bytes, which are the caller's again when it returns. */
  readonly update: (bytes: Uint8Array) => void
  /** The 32 bytes of the hash of all that was taken. Called once, and last. */
  readonly digest: () => Uint8Array
}

/**
 * Begins a hash.
 *
 * @category models
 * @since 0.2.0
 */
export type Make = () => Hasher

/**
 * In JavaScript, on every platform.
 *
 * @category constructors
 * @since 0.2.0
 */
export const portable: Make = () => {
  const hash = sha256.create()
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() }
}

interface NodeCrypto {
  readonly createHash: (name: string) => { update(bytes: Uint8Array): unknown; digest(): Uint8Array }
}

const nodeCrypto = builtIn("node:crypto") as NodeCrypto | undefined

/**
 * The platform's own, where it has one.
 *
 * @category constructors
 * @since 0.2.0
 */
export const native: Make | undefined = typeof nodeCrypto?.createHash !== "function" ? undefined : () => {
  const hash = nodeCrypto.createHash("sha256")
  return { update: (bytes) => void hash.update(bytes), digest: () => new Uint8Array(hash.digest()) }
}

/**
 * How files are hashed here. Both sides of a transfer have to come to the same: replace it by something that gives SHA-256.
 *
 * @category references
 * @since 0.2.0
 */
export const FileHash: Context.Reference<Make> = Context.Reference("@pnet/files/FileHash", {
  defaultValue: () => native ?? portable
})
