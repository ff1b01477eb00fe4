/**
 * What a look into the tarballs shows: files that are missing or should not be there, links and imports that lead nowhere, and a
 * manifest that says too little. No file is known by its name, so that modules may come and go.
 */
import { existsSync, readFileSync } from "node:fs"
import { isBuiltin } from "node:module"
import { dirname, join } from "node:path"
import { contents, isDocument, type Tarball } from "./pack.ts"

const expected = ["package.json", "README.md", "LICENSE", "CHANGELOG.md", "API.md", "AGENTS.md", "llms.txt"]
const allowed =
  /^(?:package\.json|[A-Z]+\.md|LICENSE|llms\.txt|(?:docs|ai-docs)\/.+|src\/.+\.ts|dist\/.+\.(?:js|d\.ts)(?:\.map)?)$/

/** The page of the console, which is built by its own rules, and imports nothing. */
const isOfPage = (path: string): boolean =>
  /^dist\/page\/(?:index\.html|assets\/[\w.-]+\.(?:js|css|svg|woff2))$/.test(path)

/** Packages whose users have no Node. */
const portable = ["core", "files", "testing", "web"]

const onlyOnce = ["effect", "@effect/platform-node", "@effect/vitest", "@pnet/core"]

/** `stale` is for a `dist` that was built over an older one, which may have more than the sources. */
export const fileProblems = (tarball: Tarball, stale: boolean): ReadonlyArray<string> => {
  const files = new Set(contents(tarball))
  const outputs = (path: string) => {
    const base = path.replace(/^src\//, "dist/").replace(/\.ts$/, "")
    return [".js", ".js.map", ".d.ts", ".d.ts.map"].map((ending) => base + ending)
  }
  const sources = [...files].filter((path) => path.startsWith("src/"))
  const built = new Set(sources.flatMap(outputs))
  return [
    ...expected.filter((path) => !files.has(path)).map((path) => `${path} is missing`),
    ...[...files].filter((path) => !allowed.test(path) && !isOfPage(path)).map((path) =>
      `${path} does not belong there`
    ),
    ...[...built].filter((path) => !files.has(path)).map((path) => `${path} is missing: pnpm build`),
    ...(stale ? [] : [...files].filter((path) => path.startsWith("dist/") && !isOfPage(path) && !built.has(path))).map((
      path
    ) => `${path} has no source`)
  ]
}

export const manifestProblems = ({ folder, id, manifest }: Tarball): ReadonlyArray<string> => {
  const problems: Array<string> = []
  for (const field of ["description", "keywords", "license", "engines", "publishConfig"] as const) {
    if (manifest[field] === undefined) problems.push(`package.json has no ${field}`)
  }
  if (manifest.publishConfig?.provenance !== true) problems.push("it would be published without provenance")
  if (manifest.name !== `@pnet/${id}`) problems.push(`it is called ${manifest.name}, and its folder ${id}`)
  for (const [name, range] of Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    if (range.includes(":")) problems.push(`it depends on ${name}@${range}, which nobody outside can install`)
  }
  for (const name of onlyOnce) {
    if (manifest.dependencies?.[name] !== undefined) problems.push(`${name} is a dependency, and has to be a peer`)
  }
  for (const target of Object.values(manifest.exports ?? {})) {
    if (target !== null && !target.includes("*") && !existsSync(join(folder, target))) {
      problems.push(`package.json exports ${target}, which is not there`)
    }
  }
  // What bundlers for browsers take in the place of a module: where one of the two has another name by now, they take what is for everybody.
  for (const path of Object.entries(manifest.browser ?? {}).flat()) {
    if (!existsSync(join(folder, path))) problems.push(`package.json has ${path} for browsers, which is not there`)
  }
  return problems
}

/** What a user may import of a package, as specifiers. */
export const modules = (tarball: Tarball): ReadonlyArray<string> => {
  const hidden = Object.entries(tarball.manifest.exports ?? {})
    .filter(([, target]) => target === null)
    .map(([path]) => path.slice(2).replace("*", ""))
  return contents(tarball).flatMap((path) => {
    const [, module] = /^src\/(.+)\.ts$/.exec(path) ?? []
    if (module === undefined) return []
    if (module === "index") return [tarball.manifest.name]
    return hidden.some((name) => module.startsWith(name)) ? [] : [`${tarball.manifest.name}/${module}`]
  })
}

/** What no user may import of a package. */
export const internals = (tarball: Tarball): ReadonlyArray<string> => [
  `${tarball.manifest.name}/index`,
  ...contents(tarball).flatMap((path) => {
    const [, module] = /^src\/(internal\/.+)\.ts$/.exec(path) ?? []
    return module === undefined ? [] : [`${tarball.manifest.name}/${module}`]
  })
]

const withoutComments = (code: string) => code.replaceAll(/\/\*[^]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "")

const imports = (code: string): ReadonlyArray<string> =>
  [...withoutComments(code).matchAll(/(?:(?<!")\bfrom\s*|\bimport\s*\(?\s*)"([^"\n]+)"/g)].map(([, specifier]) =>
    specifier!
  )

/** Imports that do not resolve to a file of the package, or to what its manifest asks for. */
export const importProblems = (tarball: Tarball): ReadonlyArray<string> => {
  const { dependencies, name, peerDependencies } = tarball.manifest
  const asked = new Set([name, ...Object.keys({ ...dependencies, ...peerDependencies })])
  return contents(tarball).filter((path) => /^dist\/.+\.(?:js|d\.ts)$/.test(path) && !isOfPage(path)).flatMap(
    (path) => {
      const code = readFileSync(join(tarball.folder, path), "utf8")
      const declaration = path.endsWith(".d.ts")
      const references = declaration && portable.includes(tarball.id) && /^\/\/\/ <reference/m.test(code)
        ? [`${path} refers to types that not everybody has`]
        : []
      const wrong = imports(code).filter((specifier) => {
        if (specifier.startsWith(".")) {
          const target = join(dirname(join(tarball.folder, path)), specifier)
          return !existsSync(declaration ? target.replace(/\.(?:ts|js)$/, ".d.ts") : target)
        }
        if (isBuiltin(specifier)) return portable.includes(tarball.id)
        return !asked.has(specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/"))
      })
      return [...references, ...wrong.map((specifier) => `${path} imports ${specifier}`)]
    }
  )
}

/** Links in documents that lead to nothing that is installed. */
export const linkProblems = (tarball: Tarball): ReadonlyArray<string> =>
  contents(tarball).filter(isDocument).flatMap((path) =>
    [...readFileSync(join(tarball.folder, path), "utf8").matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)(?:#[^)\s]*)?\)/g)]
      .filter(([, target]) => !existsSync(join(dirname(join(tarball.folder, path)), target!)))
      .map(([, target]) => `${path} links to ${target}, which is not there`)
  )

/** All of it, each problem with the name of its package. */
/** What is wrong with a command, which is a bundle: it has a few files, asks for nothing of the workspace, and may be run. */
export const commandProblems = (tarball: Tarball): ReadonlyArray<string> => {
  const { folder, manifest } = tarball
  const files = contents(tarball)
  const code = files.filter((path) => path.startsWith("dist/"))
  const allowedThere = /^(?:package\.json|README\.md|CHANGELOG\.md|LICENSE|docs\/why-cant-i\.md|dist\/[\w.-]+\.js)$/
  return [
    ...["package.json", "README.md", "CHANGELOG.md", "LICENSE", "dist/page/index.html"].filter((path) =>
      !files.includes(path)
    ).map((path) => `${path} is missing`),
    ...files.filter((path) => !allowedThere.test(path) && !isOfPage(path)).map((path) =>
      `${path} does not belong there`
    ),
    ...manifestProblems(tarball),
    ...Object.values(manifest.bin ?? {}).flatMap((path) => {
      const file = join(folder, path)
      if (!existsSync(file)) return [`package.json names the command ${path}, which is not there`]
      return readFileSync(file, "utf8").startsWith("#!/usr/bin/env node\n")
        ? []
        : [`${path} does not begin with #!/usr/bin/env node`]
    }),
    ...code.filter((path) => readFileSync(join(folder, path), "utf8").includes("/packages/cli/src/")).map((path) =>
      `${path} names a path of the workspace`
    )
  ].map((problem) => `${manifest.name}: ${problem}`)
}

export const problems = (
  tarballs: ReadonlyArray<Tarball>,
  options: { readonly stale: boolean }
): ReadonlyArray<string> =>
  tarballs.flatMap((tarball) =>
    [
      ...fileProblems(tarball, options.stale),
      ...manifestProblems(tarball),
      ...importProblems(tarball),
      ...linkProblems(tarball)
    ].map((problem) => `${tarball.manifest.name}: ${problem}`)
  )
