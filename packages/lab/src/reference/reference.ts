/**
 * The API reference of a package, made from its docstrings: one document, a section for each public module, the exports of
 * each by category, with their signatures as the source has them.
 *
 * What bites: nothing is type-checked here. An export without a written type, such as a Schema, is shown by what it is made from.
 */
import { parseSync } from "oxc-parser"

/** A source file. */
export interface Source {
  /** Its name without the extension, which is the module's. */
  readonly module: string
  readonly text: string
}

/** A document, and the exports that have no docstring, as `Module.name`. */
export interface Reference {
  readonly markdown: string
  readonly undocumented: ReadonlyArray<string>
}

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
}

type Statement = ReturnType<typeof parseSync>["program"]["body"][number]
type Exported = Extract<Statement, { readonly type: "ExportNamedDeclaration" }>
type Declared = NonNullable<Exported["declaration"]>

/** One export. Exports of one name, such as a Schema and its type, are one entry. */
interface Entry {
  readonly name: string
  readonly category: string
  readonly text: string
  readonly signatures: ReadonlyArray<string>
}

/** A longer initialiser says less than the docstring does. */
const longest = 60

const order = ["models", "services", "constructors", "layers", "errors", "schemas"]

const rank = (category: string): number => {
  const at = order.indexOf(category)
  return at < 0 ? order.length : at
}

/** The prose of a docstring, and its tags. */
const docOf = (comment: string): { readonly text: string; readonly category: string } => {
  const lines = comment.split("\n").map((line) => line.replace(/^\s*\* ?/, "").trimEnd())
  const tag = (name: string) => lines.find((line) => line.startsWith(`@${name} `))?.slice(name.length + 2).trim() ?? ""
  const text = lines.filter((line) => !/^@(since|category|internal|stability)\b/.test(line)).join("\n").trim()
  return { text, category: tag("category") === "" ? "other" : tag("category") }
}

const clip = (text: string): string => {
  const lines = text.split("\n")
  return lines.length <= longest ? text : `${lines.slice(0, longest).join("\n")}\n  // …`
}

/** A class without what its members do. */
const classText = (node: Extract<Declared, { readonly superClass: unknown }>, source: string): string => {
  const head = source.slice(node.start, node.body.start).trim()
  const members = node.body.body.flatMap((member): ReadonlyArray<string> => {
    const key = "key" in member ? member.key : undefined
    if (key === null || key === undefined || key.type === "PrivateIdentifier") return []
    if (member.type === "MethodDefinition") {
      const { body } = member.value
      const text = source.slice(member.start, body === null ? member.end : body.start).trim()
      return text.startsWith("private ") ? [] : [`  ${text}`]
    }
    if (member.type !== "PropertyDefinition") return []
    const text = source.slice(member.start, member.value === null ? member.end : key.end).trim()
    return text.startsWith("private ") ? [] : [`  ${text}`]
  })
  return members.length === 0 ? `${head} {}` : `${head} {\n${members.join("\n")}\n}`
}

const slice = (source: string, node: Node | null | undefined): string =>
  node === null || node === undefined ? "" : source.slice(node.start, node.end)

const constText = (node: Extract<Declared, { readonly type: "VariableDeclaration" }>, source: string): string => {
  const [declarator] = node.declarations
  if (declarator === undefined) return ""
  const { id, init } = declarator
  const name = id.type === "Identifier" ? id.name : slice(source, id)
  const typed = "typeAnnotation" in id ? id.typeAnnotation : undefined
  if (typed !== null && typed !== undefined) return `const ${name}${slice(source, typed)}`
  if (init?.type === "ArrowFunctionExpression") {
    const params = init.params.map((param) => slice(source, param)).join(", ")
    const returns = init.returnType === null || init.returnType === undefined
      ? "unknown"
      : slice(source, init.returnType).replace(/^:\s*/, "")
    return `const ${name}: ${slice(source, init.typeParameters)}(${params}) => ${returns}`
  }
  return `const ${name} = ${slice(source, init)}`
}

const signatureOf = (node: Declared, source: string): { readonly name: string; readonly text: string } => {
  switch (node.type) {
    case "ClassDeclaration":
      return { name: node.id?.name ?? "", text: classText(node, source) }
    case "VariableDeclaration": {
      const [declarator] = node.declarations
      return {
        name: declarator?.id.type === "Identifier" ? declarator.id.name : "",
        text: constText(node, source)
      }
    }
    case "FunctionDeclaration":
      return {
        name: node.id?.name ?? "",
        text: source.slice(node.start, node.body === null ? node.end : node.body.start).trim()
      }
    default: {
      const id = "id" in node ? node.id : undefined
      return { name: id?.type === "Identifier" ? id.name : "", text: slice(source, node) }
    }
  }
}

const parse = (file: string, source: string) => {
  const parsed = parseSync(file, source)
  if (parsed.errors.length > 0) throw new Error(`${file}: ${parsed.errors[0]!.message}`)
  return parsed
}

/** The exports of one module, in their order, and what it opens with. */
const entriesOf = (
  { module, text: source }: Source,
  others: ReadonlyMap<string, string>
): {
  readonly entries: ReadonlyArray<Entry>
  readonly header: string
  readonly undocumented: ReadonlyArray<string>
} => {
  const { comments, program } = parse(`${module}.ts`, source)
  const before = (node: Node) =>
    comments.findLast((comment) =>
      comment.type === "Block" && comment.value.startsWith("*") && comment.end <= node.start &&
      source.slice(comment.end, node.start).trim() === ""
    )
  const first = program.body[0]
  const header = comments.find((comment) =>
    comment.type === "Block" && comment.value.startsWith("*") && (first === undefined || comment.end <= first.start)
  )
  const entries = new Map<string, Entry>()
  const undocumented: Array<string> = []
  const add = (name: string, doc: ReturnType<typeof before>, signature: string) => {
    if (doc === undefined) undocumented.push(`${module}.${name}`)
    const { category, text } = docOf(doc?.value ?? "")
    const known = entries.get(name)
    entries.set(name, {
      name,
      category: known?.category ?? category,
      // A Schema and its type often say the same.
      text: known === undefined || known.text === text ? text : `${known.text}\n\n${text}`,
      signatures: [...known?.signatures ?? [], clip(signature)]
    })
  }
  for (const statement of program.body) {
    if (statement.type === "ExportAllDeclaration") {
      const name = statement.exported === null ? statement.source.value : slice(source, statement.exported)
      add(name, before(statement), slice(source, statement).replace(/^export /, ""))
    } else if (statement.type === "ExportNamedDeclaration") {
      const { declaration } = statement
      if (declaration !== null) {
        const { name, text } = signatureOf(declaration, source)
        add(name, before(statement), text)
      } else {
        const from = statement.source?.value.replace(/^\.\//, "")
        const origin = from === undefined ? undefined : others.get(from)
        // What is passed on is documented where it stands.
        const known = from === undefined || origin === undefined
          ? undefined
          : entriesOf({ module: from.slice(0, -3), text: origin }, others)
        for (const specifier of statement.specifiers) {
          const one = known?.entries.find(({ name }) => name === slice(source, specifier.local))
          if (one !== undefined) {
            const name = slice(source, specifier.exported)
            entries.set(name, { ...one, name })
            if (one.text === "") undocumented.push(`${module}.${name}`)
          } else {add(
              slice(source, specifier.exported),
              before(specifier) ?? before(statement),
              slice(source, specifier)
            )}
        }
      }
    }
  }
  return { entries: [...entries.values()], header: docOf(header?.value ?? "").text, undocumented }
}

/** Headings of a docstring go under those of the reference. */
const prose = (text: string): string => text.replaceAll(/^(#+) /gm, "####$1 ")

/** Where GitHub, and whatever follows it, puts the anchor of a heading. */
const anchor = (heading: string): string =>
  heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")

/** The reference of a package: its public modules, and by their paths the `others` that these pass exports on from. */
export const make = (
  name: string,
  sources: ReadonlyArray<Source>,
  others: ReadonlyMap<string, string> = new Map()
): Reference => {
  const modules = sources.map((source) => ({ module: source.module, ...entriesOf(source, others) }))
    .sort((a, b) => a.module < b.module ? -1 : 1)
  const parts = [
    `# API of ${name}`,
    "Made from the docstrings of the sources. Every module can be imported by its own path, " +
    `such as \`${name}/${modules[0]?.module ?? ""}\`.`,
    modules.map(({ header, module }) => {
      const [summary = ""] = header.split(/\n\n|(?<=\.)\s/)
      return `- [${module}](#${anchor(module)}): ${summary.replaceAll("\n", " ")}`
    }).join("\n")
  ]
  for (const { entries, header, module } of modules) {
    parts.push(`## ${module}`, prose(header))
    const sorted = entries.map((entry, index) => ({ entry, index })).sort((a, b) =>
      rank(a.entry.category) - rank(b.entry.category) || (a.entry.category < b.entry.category
        ? -1
        : a.entry.category > b.entry.category
        ? 1
        : a.index - b.index)
    )
    for (const { entry } of sorted) {
      parts.push(
        `### ${module}.${entry.name}`,
        `*${entry.category}*`,
        prose(entry.text),
        ...entry.signatures.map((signature) => `\`\`\`ts\n${signature}\n\`\`\``)
      )
    }
  }
  return {
    markdown: `${parts.filter((part) => part !== "").join("\n\n")}\n`,
    undocumented: modules.flatMap(({ undocumented }) => undocumented)
  }
}
