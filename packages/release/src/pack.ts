/**
 * The tarballs that are published, made as they are published.
 *
 * `pnpm pack` does most of it. What it leaves: the documents, which are the workspace's and go into `@pnet/core`, and the links to
 * them, which have to lead to where they are once packages are installed beside each other in a `node_modules/@pnet`.
 */
import * as Effect from "effect/Effect"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, posix, sep } from "node:path"
import { packedFrom, pageIn, staged } from "./bundle.ts"
import { done, type Failed, none } from "./run.ts"
import { commandPackages, type Manifest, manifestIn, publicPackages, root } from "./workspace.ts"

/** The package that has the documents. */
const documented = "core"

export interface Tarball {
  readonly id: string
  readonly manifest: Manifest
  /** The tarball. */
  readonly file: string
  /** What is in it, in `node_modules/@pnet`. */
  readonly folder: string
}

const pnpm = (args: ReadonlyArray<string>) => {
  const path = process.env.npm_execpath
  return path !== undefined && /pnpm(?:\.c?js)?$/.test(path)
    ? path.endsWith("js") ? done(process.execPath, [path, ...args], { cwd: root }) : done(path, args, { cwd: root })
    : done("npx", ["-y", "pnpm@12", ...args], { cwd: root })
}

/** Where a file of the workspace is once the packages are installed, seen from `node_modules/@pnet`. */
const installed = (path: string): string | undefined => {
  if (path === "docs" || path.startsWith("docs/")) return `${documented}/${path}`
  const [, id] = /^packages\/([^/]+)/.exec(path) ?? []
  return publicPackages.some((shipped) => shipped.id === id) ? path.slice("packages/".length) : undefined
}

/** A document with its links as they have to be where it is installed, and those that lead to what is not shipped. */
export const relinked = (document: string, text: string) => {
  const lost: Array<string> = []
  const from = posix.dirname(installed(document)!)
  const written = text.replaceAll(
    /\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)/g,
    (link, path: string, anchor = "") => {
      const target = installed(posix.normalize(posix.join(posix.dirname(document), path)))
      if (target !== undefined) return `](${posix.relative(from, target)}${anchor})`
      lost.push(`${document} links to ${path}, which is in no package`)
      return link
    }
  )
  return { written, lost }
}

const filesIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1).split(sep).join("/"))
    .toSorted()

/** What links may stand in. */
export const isDocument = (path: string): boolean => path.endsWith(".md") || path === "llms.txt"

/** All files of a tarball, from its top. */
export const contents = (tarball: Tarball): ReadonlyArray<string> => filesIn(tarball.folder)

/** Packs the commands, each as its bundle. */
export const packCommands = (folder: string): Effect.Effect<ReadonlyArray<Tarball>, Failed> =>
  Effect.forEach(commandPackages, (command) =>
    Effect.gen(function*() {
      const { name, version } = command.manifest
      const stage = join(folder, "stage", command.id)
      const top = join(stage, "package")
      yield* staged(command, top)
      const file = yield* packedFrom(stage, join(folder, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`))
      return { id: command.id, manifest: manifestIn(top), file, folder: top }
    }))

/** Packs every public package as it is built. `folder` gets the tarballs, and `node_modules/@pnet` with what is in them. */
export const pack = (folder: string): Effect.Effect<ReadonlyArray<Tarball>, Failed> =>
  Effect.gen(function*() {
    const raw = join(folder, "raw")
    mkdirSync(raw, { recursive: true })
    yield* pageIn(join(root, "packages/console/dist/page"))
    yield* pnpm([
      ...publicPackages.flatMap(({ manifest }) => ["--filter", manifest.name]),
      "pack",
      "--pack-destination",
      raw,
      // They are packed once more below.
      "--pack-gzip-level",
      "1"
    ])
    const lost: Array<string> = []
    const tarballs = yield* Effect.forEach(publicPackages, ({ id, manifest: { name, version } }) =>
      Effect.gen(function*() {
        const file = `${name.replace("@", "").replace("/", "-")}-${version}.tgz`
        const stage = join(folder, "stage", id)
        mkdirSync(stage, { recursive: true })
        yield* done("tar", ["-xzf", join(raw, file), "-C", stage], { cwd: folder })
        const top = join(stage, "package")
        if (id === documented) {
          cpSync(join(root, "docs"), join(top, "docs"), { recursive: true })
        }
        for (const path of filesIn(top).filter(isDocument)) {
          const document = path.startsWith("docs/") ? path : `packages/${id}/${path}`
          const links = relinked(document, readFileSync(join(top, path), "utf8"))
          writeFileSync(join(top, path), links.written)
          lost.push(...links.lost)
        }
        yield* done("tar", ["-czf", join(folder, file), "-C", stage, "package"], { cwd: folder })
        const place = join(folder, "node_modules", name)
        mkdirSync(dirname(place), { recursive: true })
        if (existsSync(place)) {
          rmSync(place, { recursive: true })
        }
        cpSync(top, place, { recursive: true })
        return { id, manifest: manifestIn(place), file: join(folder, file), folder: place }
      }))
    yield* none(lost)
    return tarballs
  })
