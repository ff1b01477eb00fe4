/**
 * A disk in memory: folders, files, links, with sizes, modes and times, room that ends, and what is lost when the power goes. Synchronous; what the
 * system would refuse is thrown as a `DiskFault`.
 */

/** What a system refuses something with: the name of its error. */
export type FaultCode =
  | "ENOENT"
  | "EEXIST"
  | "EACCES"
  | "ENOSPC"
  | "ENAMETOOLONG"
  | "ENOTDIR"
  | "EISDIR"
  | "ENOTEMPTY"
  | "ELOOP"
  | "EINVAL"
  | "EIO"

/** The system refused. */
export class DiskFault extends Error {
  readonly code: FaultCode
  constructor(code: FaultCode, path: string) {
    super(`${code}: ${path}`)
    this.code = code
  }
}

const pageSize = 65_536
const zeros = new Uint8Array(pageSize)

interface Content {
  readonly pages: ReadonlyArray<Uint8Array>
  readonly size: number
}

let inodes = 0

/** What files, folders and links have in common. */
class Inode {
  readonly ino = ++inodes
  mode: number
  mtime: number
  constructor(mode: number, now: number) {
    this.mode = mode
    this.mtime = now
  }
}

export class DiskFile extends Inode {
  readonly type = "File"
  links = 1
  size = 0
  #pages: Array<Uint8Array> = []
  // What is there when the power has gone.
  #durable: Content = { pages: [], size: 0 }

  read(at: number, into: Uint8Array, hollow: boolean): number {
    const length = Math.max(0, Math.min(into.length, this.size - at))
    if (hollow) return length
    for (let done = 0; done < length;) {
      const start = (at + done) % pageSize
      const part = Math.min(length - done, pageSize - start)
      const page = this.#pages[Math.floor((at + done) / pageSize)] ?? zeros
      into.set(page.subarray(start, start + part), done)
      done += part
    }
    return length
  }

  write(at: number, bytes: Uint8Array, hollow: boolean): void {
    this.size = Math.max(this.size, at + bytes.length)
    if (hollow) return
    for (let done = 0; done < bytes.length;) {
      const index = Math.floor((at + done) / pageSize)
      const start = (at + done) % pageSize
      const part = Math.min(bytes.length - done, pageSize - start)
      // Pages are never changed once they are made, since what is durable may have them.
      const page = new Uint8Array(Math.max(this.#pages[index]?.length ?? 0, start + part))
      if (this.#pages[index] !== undefined) page.set(this.#pages[index])
      page.set(bytes.subarray(done, done + part), start)
      this.#pages[index] = page
      done += part
    }
  }

  truncate(size: number): void {
    if (size < this.size) {
      const last = Math.floor(size / pageSize)
      this.#pages.length = Math.min(this.#pages.length, last + 1)
      const page = this.#pages[last]
      if (page !== undefined) this.#pages[last] = page.slice(0, size % pageSize)
    }
    this.size = size
  }

  sync(): void {
    this.#durable = { pages: this.#pages.slice(), size: this.size }
  }

  /** What was not synced is gone. */
  lose(): void {
    this.#pages = this.#durable.pages.slice()
    this.size = this.#durable.size
  }
}

export class DiskLink extends Inode {
  readonly type = "SymbolicLink"
  readonly target: string
  readonly size: number
  constructor(target: string, now: number) {
    super(0o777, now)
    this.target = target
    this.size = target.length
  }
}

export class DiskFolder extends Inode {
  readonly type = "Directory"
  readonly size = 4_096
  readonly #entries = new Map<string, { readonly name: string; readonly node: DiskNode }>()
  readonly #key: (name: string) => string
  constructor(mode: number, now: number, key: (name: string) => string) {
    super(mode, now)
    this.#key = key
  }
  get(name: string): DiskNode | undefined {
    return this.#entries.get(this.#key(name))?.node
  }
  set(name: string, node: DiskNode, now: number): void {
    const key = this.#key(name)
    // A name that is there keeps its letters, as file systems that fold them have it.
    this.#entries.set(key, { name: this.#entries.get(key)?.name ?? name, node })
    this.mtime = now
  }
  delete(name: string, now: number): void {
    this.#entries.delete(this.#key(name))
    this.mtime = now
  }
  get names(): Array<string> {
    return Array.from(this.#entries.values(), ({ name }) => name)
  }
}

export type DiskNode = DiskFile | DiskFolder | DiskLink

export interface DiskOptions {
  readonly capacity?: number | undefined
  readonly foldsCase?: boolean | undefined
  readonly longestPath?: number | undefined
  readonly hollow?: boolean | undefined
}

const encoder = new (globalThis as unknown as { TextEncoder: new() => { encode(text: string): Uint8Array } })
  .TextEncoder()

/** Where a path ends. */
interface Place {
  readonly parent: DiskFolder
  readonly name: string
  readonly node: DiskNode | undefined
  /** The path without links and dots. */
  readonly real: string
}

export class Disk {
  capacity: number
  readonly hollow: boolean
  readonly root: DiskFolder
  used = 0
  readonly #longestPath: number
  readonly #key: (name: string) => string

  constructor(options: DiskOptions) {
    this.capacity = options.capacity ?? Infinity
    this.hollow = options.hollow ?? false
    this.#longestPath = options.longestPath ?? 4_096
    this.#key = options.foldsCase === true ? (name) => name.normalize("NFC").toLowerCase() : (name) => name
    this.root = new DiskFolder(0o755, 0, this.#key)
  }

  /** Where a path ends; links on the way are followed, and the last one where `follow` says so. */
  find(path: string, follow: boolean, depth = 0): Place {
    if (path.includes("\0")) throw new DiskFault("EINVAL", path)
    if (depth > 40) throw new DiskFault("ELOOP", path)
    if (path.length > this.#longestPath) throw new DiskFault("ENAMETOOLONG", path)
    const stack: Array<readonly [string, DiskFolder]> = [["", this.root]]
    const segments = path.split("/").filter((segment) => segment !== "" && segment !== ".")
    let last: Place = { parent: this.root, name: "", node: this.root, real: "/" }
    for (const [index, segment] of segments.entries()) {
      if (last.node === undefined) throw new DiskFault("ENOENT", path)
      if (last.node.type !== "Directory") throw new DiskFault("ENOTDIR", path)
      if (segment === "..") {
        if (stack.length > 1) stack.pop()
        const [name, folder] = stack[stack.length - 1]!
        last = { parent: stack[Math.max(0, stack.length - 2)]![1], name, node: folder, real: this.#realOf(stack) }
        continue
      }
      if (encoder.encode(segment).length > 255) throw new DiskFault("ENAMETOOLONG", path)
      const parent = last.node
      if ((parent.mode & 0o100) === 0) throw new DiskFault("EACCES", path)
      const node = parent.get(segment)
      const here = this.#realOf(stack)
      const real = here === "/" ? `/${segment}` : `${here}/${segment}`
      const isLast = index === segments.length - 1
      if (node?.type === "SymbolicLink" && (follow || !isLast)) {
        const rest = segments.slice(index + 1).join("/")
        const base = node.target.startsWith("/") ? node.target : `${here}/${node.target}`
        return this.find(rest === "" ? base : `${base}/${rest}`, follow, depth + 1)
      }
      last = { parent, name: segment, node, real }
      if (node?.type === "Directory") stack.push([segment, node])
    }
    return last
  }

  #realOf(stack: ReadonlyArray<readonly [string, DiskFolder]>): string {
    return stack.length === 1 ? "/" : stack.map(([name]) => name).join("/")
  }

  node(path: string, follow: boolean): DiskNode {
    const { node } = this.find(path, follow)
    if (node === undefined) throw new DiskFault("ENOENT", path)
    return node
  }

  folder(path: string): DiskFolder {
    const node = this.node(path, true)
    if (node.type !== "Directory") throw new DiskFault("ENOTDIR", path)
    return node
  }

  /** Where something may be made. */
  #vacant(path: string): Place {
    const place = this.find(path, false)
    if (place.node !== undefined) throw new DiskFault("EEXIST", path)
    return this.#writable(place, path)
  }

  #writable(place: Place, path: string): Place {
    if ((place.parent.mode & 0o200) === 0) throw new DiskFault("EACCES", path)
    return place
  }

  makeFolder(path: string, mode: number, now: number): void {
    const { name, parent } = this.#vacant(path)
    parent.set(name, new DiskFolder(mode, now, this.#key), now)
  }

  /** Makes a file where there is none. */
  makeFile(path: string, mode: number, now: number): DiskFile {
    const { name, parent } = this.#vacant(path)
    const file = new DiskFile(mode, now)
    parent.set(name, file, now)
    return file
  }

  symlink(target: string, path: string, now: number): void {
    const { name, parent } = this.#vacant(path)
    parent.set(name, new DiskLink(target, now), now)
  }

  link(from: string, to: string, now: number): void {
    const node = this.node(from, false)
    if (node.type !== "File") throw new DiskFault("EACCES", from)
    const { name, parent } = this.#vacant(to)
    node.links++
    parent.set(name, node, now)
  }

  rename(from: string, to: string, now: number): void {
    const source = this.#writable(this.find(from, false), from)
    if (source.node === undefined) throw new DiskFault("ENOENT", from)
    const target = this.#writable(this.find(to, false), to)
    if (target.node === source.node) return
    if (target.node?.type === "Directory" && source.node.type !== "Directory") throw new DiskFault("EISDIR", to)
    if (target.node !== undefined && target.node.type !== "Directory" && source.node.type === "Directory") {
      throw new DiskFault("ENOTDIR", to)
    }
    if (target.node?.type === "Directory" && target.node.names.length > 0) throw new DiskFault("ENOTEMPTY", to)
    if (target.node?.type === "File") this.#unlink(target.node)
    source.parent.delete(source.name, now)
    target.parent.delete(target.name, now)
    target.parent.set(target.name, source.node, now)
  }

  remove(path: string, recursive: boolean, now: number): void {
    const { name, node, parent } = this.#writable(this.find(path, false), path)
    if (node === undefined) throw new DiskFault("ENOENT", path)
    if (node.type === "Directory") {
      if (!recursive) throw new DiskFault("EISDIR", path)
      for (const child of node.names) this.remove(`${path}/${child}`, true, now)
    }
    if (node.type === "File") this.#unlink(node)
    parent.delete(name, now)
  }

  #unlink(file: DiskFile): void {
    if (--file.links === 0) this.used -= file.size
  }

  write(file: DiskFile, at: number, bytes: Uint8Array, path: string, now: number): void {
    const growth = Math.max(0, at + bytes.length - file.size)
    if (file.links > 0 && this.used + growth > this.capacity) throw new DiskFault("ENOSPC", path)
    if (file.links > 0) this.used += growth
    file.write(at, bytes, this.hollow)
    file.mtime = now
  }

  truncate(file: DiskFile, size: number, now: number): void {
    if (file.links > 0) this.used += size - file.size
    file.truncate(size)
    file.mtime = now
  }

  /** Everything below a folder, links not followed. */
  *walk(folder: DiskFolder, path: string): Generator<readonly [string, DiskNode]> {
    for (const name of folder.names.sort()) {
      const node = folder.get(name)!
      const below = path === "" ? name : `${path}/${name}`
      yield [below, node]
      if (node.type === "Directory") yield* this.walk(node, below)
    }
  }
}
