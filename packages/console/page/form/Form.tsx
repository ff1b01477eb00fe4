/** A form made of a peer's JSON Schema. What is in it belongs to who shows it: each change is a new draft. */
import type { JsonObject } from "@pnet/console/JsonSchema"
import type { Json } from "effect/Schema"
import type { ComponentChildren } from "preact"
import { useId } from "preact/hooks"
import { Said, Segments } from "../parts/basic.tsx"
import * as Icon from "../parts/icons.tsx"
import { plain } from "../text.ts"
import { type Draft, draftOf, fresh, type More } from "./draft.ts"
import { type Field, fieldOf, itemOf, withoutNull } from "./field.ts"

export type Path = ReadonlyArray<string | number>
export const pathKey = (path: Path): string => JSON.stringify(path)

interface Common {
  readonly root: JsonObject
  readonly schema: unknown
  readonly draft: Draft
  readonly path: Path
  /** What is wrong, by path. */
  readonly wrong: ReadonlyMap<string, string>
  /** Whether what was not filled in yet is told of, too. */
  readonly strict: boolean
  readonly onDraft: (draft: Draft) => void
}

interface Labelled extends Common {
  readonly label: string
  readonly required: boolean
  readonly onRemove?: (() => void) | undefined
}

const isUntouched = (draft: Draft): boolean =>
  draft.kind === "typed" ? draft.text === "" : draft.kind === "chosen" && draft.value === undefined

/** A field with its name, what it is for, and what is wrong with it. */
export const FieldRow = (props: Labelled) => {
  const { draft, label, onRemove, path, required, root, schema, strict, wrong } = props
  const id = useId()
  const field = fieldOf(root, schema)
  const mistake = strict || !isUntouched(draft) ? wrong.get(pathKey(path)) : undefined
  const isGroup = field.kind === "object" || field.kind === "list" || field.kind === "union" || field.kind === "boolean"
  const name = (
    <>
      <span class="field-name">
        <Said text={label} most={80} />
      </span>
      <span class="field-type">
        <Said text={field.kind === "union" ? "one of" : field.kind === "object" ? "" : field.type} most={60} />
      </span>
      {!required && <span class="field-type">optional</span>}
    </>
  )
  return (
    <div
      class={`field ${isGroup ? "group" : ""}`}
      role={isGroup ? "group" : undefined}
      aria-labelledby={isGroup ? `${id}-name` : undefined}
      data-field={path.join(".")}
    >
      <div class="field-head">
        {isGroup
          ? <span class="field-label" id={`${id}-name`}>{name}</span>
          : <label class="field-label" for={id}>{name}</label>}
        {onRemove !== undefined && (
          <button
            type="button"
            class="button plain icon tiny"
            aria-label={`Remove ${plain(label, 60)}`}
            title="Remove"
            onClick={onRemove}
          >
            <Icon.Close />
          </button>
        )}
      </div>
      {field.description !== undefined && (
        <p class="field-about" id={`${id}-about`}>
          <Said text={field.description} lines most={400} />
        </p>
      )}
      <Input {...props} field={field} id={id} invalid={mistake !== undefined} />
      {mistake !== undefined && (
        <p class="field-wrong" id={`${id}-wrong`}>
          It has to be <Said text={mistake} most={200} />
        </p>
      )}
    </div>
  )
}

const Input = (props: Labelled & { readonly field: Field; readonly id: string; readonly invalid: boolean }) => {
  const { draft, field, id, invalid, label, onDraft } = props
  const common = {
    id,
    class: "input",
    "aria-invalid": invalid,
    "aria-describedby":
      `${field.description === undefined ? "" : `${id}-about`}${invalid ? ` ${id}-wrong` : ""}`.trim() || undefined
  } as const
  const typed = draft.kind === "typed" ? draft.text : ""
  const type = (text: string) => onDraft({ kind: "typed", text })
  switch (draft.kind === "typed" && field.kind !== "number" && field.kind !== "text" ? "json" : field.kind) {
    case "text":
      return typed.length > 60 || typed.includes("\n")
        ? <textarea {...common} value={typed} spellcheck={false} onInput={(event) => type(event.currentTarget.value)} />
        : (
          <input
            {...common}
            value={typed}
            spellcheck={false}
            autocomplete="off"
            placeholder={field.kind === "text" && field.format === "date-time"
              ? "2026-01-31T12:00:00Z"
              : field.kind === "text" && field.format === "byte"
              ? "base64"
              : undefined}
            onInput={(event) => type(event.currentTarget.value)}
            onPaste={(event) => {
              const text = event.clipboardData?.getData("text/plain") ?? ""
              if (!text.includes("\n")) return
              // An input would take the line ends away.
              event.preventDefault()
              type(typed + text)
            }}
          />
        )
    case "number":
      return (
        <input
          {...common}
          value={typed}
          inputMode={field.kind === "number" && field.integer ? "numeric" : "decimal"}
          autocomplete="off"
          onInput={(event) => type(event.currentTarget.value)}
        />
      )
    case "boolean": {
      const value = draft.kind === "chosen" ? draft.value : undefined
      return (
        <Segments
          label={plain(label, 80)}
          value={value === true ? "yes" : value === false ? "no" : ""}
          choices={[{ value: "yes", label: "Yes" }, { value: "no", label: "No" }]}
          onChoose={(one) => onDraft({ kind: "chosen", value: one === "yes" })}
        />
      )
    }
    case "constant":
      return (
        <output {...common} class="constant mono">
          {field.kind === "constant" && plain(JSON.stringify(field.value), 80)}
        </output>
      )
    case "choice":
      return field.kind === "choice" ? <Choice {...props} common={common} values={field.values} /> : null
    case "object":
      return <ObjectFields {...props} />
    case "list":
      return <Items {...props} />
    case "union":
      return <Union {...props} />
    default:
      return (
        <textarea
          {...common}
          rows={3}
          value={typed}
          spellcheck={false}
          placeholder={"JSON, or text"}
          onInput={(event) => type(event.currentTarget.value)}
        />
      )
  }
}

const Choice = ({ common, draft, onDraft, values }: Labelled & {
  readonly common: {
    readonly id: string
    readonly class: string
    readonly "aria-invalid": boolean
    readonly "aria-describedby": string | undefined
  }
  readonly values: ReadonlyArray<Json>
}) => {
  const at = draft.kind === "chosen" ? values.indexOf(draft.value as Json) : -1
  return (
    <select
      {...common}
      value={String(at)}
      onChange={(event) => onDraft({ kind: "chosen", value: values[Number(event.currentTarget.value)] })}
    >
      {at === -1 && <option value="-1">Choose</option>}
      {values.map((value, i) => (
        <option key={i} value={String(i)}>
          {plain(typeof value === "string" ? value : JSON.stringify(value), 80)}
        </option>
      ))}
    </select>
  )
}

/** The fields of an object, without a frame: those that have to be there, those that were added, and what can be. */
export const ObjectFields = ({ draft, onDraft, path, root, schema, strict, wrong }: Common) => {
  const field = fieldOf(root, schema)
  if (field.kind !== "object" || draft.kind !== "object") return null
  const { fields, more } = draft
  const left = field.fields.filter(({ name }) => !Object.hasOwn(fields, name))
  const put = (name: string, one: Draft) => onDraft({ ...draft, fields: { ...fields, [name]: one } })
  const remove = (name: string) =>
    onDraft({ ...draft, fields: Object.fromEntries(Object.entries(fields).filter(([known]) => known !== name)) })
  const putMore = (id: number, change: Partial<More>) =>
    onDraft({ ...draft, more: more.map((one) => one.id === id ? { ...one, ...change } : one) })
  return (
    <div class="fields">
      {field.fields.filter(({ name }) => Object.hasOwn(fields, name)).map(({ name, required, schema: given }) => {
        const inner = withoutNull(root, given, required)
        return (
          <FieldRow
            key={name}
            {...{ root, strict, wrong, required }}
            schema={inner}
            draft={fields[name]!}
            path={[...path, name]}
            label={name}
            onDraft={(one) => put(name, one)}
            onRemove={required ? undefined : () => remove(name)}
          />
        )
      })}
      {more.map(({ draft: inner, id, name }) => {
        const mistake = wrong.get(pathKey([...path, `#${id}`]))
        return (
          <div class="field group" key={id}>
            <div class="more-name">
              <input
                class="input"
                aria-label="Name of the field"
                placeholder="name"
                value={name}
                spellcheck={false}
                aria-invalid={strict && mistake !== undefined}
                onInput={(event) => putMore(id, { name: event.currentTarget.value })}
              />
              <button
                type="button"
                class="button plain icon tiny"
                aria-label="Remove"
                onClick={() => onDraft({ ...draft, more: more.filter((one) => one.id !== id) })}
              >
                <Icon.Close />
              </button>
            </div>
            {strict && mistake !== undefined && <p class="field-wrong">It has to be {mistake}</p>}
            <FieldRow
              {...{ root, strict, wrong }}
              required
              schema={field.others}
              draft={inner}
              path={[...path, name]}
              label={name === "" ? "value" : name}
              onDraft={(one) => putMore(id, { draft: one })}
            />
          </div>
        )
      })}
      {(left.length > 0 || field.others !== undefined) && (
        <Adding>
          {left.slice(0, 24).map(({ name, required, schema: given }) => (
            <button
              type="button"
              class="button tiny"
              key={name}
              onClick={() => put(name, draftOf(root, withoutNull(root, given, required)))}
            >
              <Icon.Plus />
              <Said text={name} most={40} />
            </button>
          ))}
          {field.others !== undefined && (
            <button
              type="button"
              class="button tiny"
              onClick={() =>
                onDraft({ ...draft, more: [...more, { id: fresh(), name: "", draft: draftOf(root, field.others) }] })}
            >
              <Icon.Plus />
              {field.fields.length === 0 ? "Field" : "Another field"}
            </button>
          )}
        </Adding>
      )}
      {field.fields.length === 0 && field.others === undefined && <p class="field-about">Nothing to fill in.</p>}
    </div>
  )
}

const Adding = ({ children }: { readonly children: ComponentChildren }) => <div class="adding">{children}</div>

/** The items of a list, without a frame. The first ones may have names of their own. */
export const Items = (
  { draft, onDraft, path, root, schema, strict, wrong, words }: Common & { readonly words?: string }
) => {
  const field = fieldOf(root, schema)
  if (field.kind !== "list" || draft.kind !== "list") return null
  const { items } = draft
  const only = items[0]
  if (
    words === "payload" && only !== undefined && field.most === 1 && fieldOf(root, field.first[0]).kind === "object"
  ) {
    // A typed call has one payload: its fields are what is asked for.
    return (
      <ObjectFields
        {...{ root, strict, wrong }}
        schema={field.first[0]}
        draft={only.draft}
        path={[...path, 0]}
        onDraft={(one) => onDraft({ kind: "list", items: [{ id: only.id, draft: one }] })}
      />
    )
  }
  const next = items.length < field.most ? itemOf(field, items.length) : undefined
  const nameOf = (at: number): string => {
    const title = fieldOf(root, itemOf(field, at)).title
    return at < field.first.length
      ? title ?? (field.first.length === 1 && words !== undefined ? words : `${words ?? "item"} ${at + 1}`)
      : title ?? `${at + 1}`
  }
  // A place in the middle is not left out, since the others would move: of those that have names the last is.
  const canRemove = (at: number) => items.length > field.least && (at >= field.first.length || at === items.length - 1)
  return (
    <div class="fields">
      {items.map(({ draft: inner, id }, at) => (
        <FieldRow
          key={id}
          {...{ root, strict, wrong }}
          required={at < field.least || at >= field.first.length}
          schema={itemOf(field, at)}
          draft={inner}
          path={[...path, at]}
          label={nameOf(at)}
          onDraft={(one) =>
            onDraft({ kind: "list", items: items.map((item) => item.id === id ? { id, draft: one } : item) })}
          onRemove={canRemove(at)
            ? () => onDraft({ kind: "list", items: items.filter((item) => item.id !== id) })
            : undefined}
        />
      ))}
      {next !== undefined && (
        <Adding>
          <button
            type="button"
            class="button tiny"
            onClick={() => onDraft({ kind: "list", items: [...items, { id: fresh(), draft: draftOf(root, next) }] })}
          >
            <Icon.Plus />
            {items.length < field.first.length
              ? plain(nameOf(items.length), 40)
              : words === undefined
              ? "Item"
              : "Argument"}
          </button>
        </Adding>
      )}
    </div>
  )
}

const Union = (
  { draft, field, id, label, onDraft, path, root, strict, wrong }: Labelled & {
    readonly field: Field
    readonly id: string
  }
) => {
  if (field.kind !== "union" || draft.kind !== "union") return null
  const option = field.options[draft.at]!
  const inner = draft.options[draft.at]!
  const innerField = fieldOf(root, option.schema)
  const choose = (at: number) =>
    onDraft({
      ...draft,
      at,
      options: { ...draft.options, [at]: draft.options[at] ?? draftOf(root, field.options[at]!.schema) }
    })
  const common = {
    root,
    strict,
    wrong,
    path,
    schema: option.schema,
    draft: inner,
    onDraft: (one: Draft) => onDraft({ ...draft, options: { ...draft.options, [draft.at]: one } })
  }
  return (
    <div class="fields">
      {field.options.length <= 4 && field.options.every(({ label }) => label.length <= 18)
        ? (
          <Segments
            label={`Kind of ${plain(label, 60)}`}
            value={String(draft.at)}
            choices={field.options.map((one, i) => ({ value: String(i), label: plain(one.label, 24) }))}
            onChoose={(at) => choose(Number(at))}
          />
        )
        : (
          <select
            class="input"
            aria-label={`Kind of ${plain(label, 60)}`}
            value={String(draft.at)}
            onChange={(event) => choose(Number(event.currentTarget.value))}
          >
            {field.options.map((one, i) => <option key={i} value={String(i)}>{plain(one.label, 80)}</option>)}
          </select>
        )}
      {innerField.kind !== "constant" && (
        <Input
          key={draft.at}
          {...common}
          required
          label={plain(label, 60)}
          field={innerField}
          id={`${id}-in`}
          invalid={strict && wrong.has(pathKey(path))}
        />
      )}
    </div>
  )
}
