/** The API reference as Markdown, from what the entry points export and the docstrings above it. */
import { join, relative } from 'node:path'
import ts from 'typescript'

const ENTRIES: readonly { readonly name: string; readonly file: string }[] = [
  { name: 'spindle-mq', file: 'src/index.ts' },
  { name: 'spindle-mq/browser', file: 'src/browser/index.ts' },
  { name: 'spindle-mq/http', file: 'src/http/index.ts' },
  { name: 'spindle-mq/dashboard', file: 'src/dashboard/index.ts' },
  { name: 'spindle-mq/orm', file: 'src/orm/index.ts' },
  { name: 'spindle-mq/outbox', file: 'src/outbox/index.ts' },
  { name: 'spindle-mq/testing', file: 'src/testing/index.ts' },
  { name: 'spindle-mq/engine', file: 'src/engine/engine.ts' },
]
/** Longer declarations are shown by their head: the source says the rest. */
const LINES_MAX = 60

export function apiReference(root: string): string {
  const files = ENTRIES.map(({ file }) => join(root, file))
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path))
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  const program = ts.createProgram(files, { ...options, noEmit: true })
  const checker = program.getTypeChecker()
  const parts = ['# API reference', '', 'What each entry point exports, in the words of its docstrings.', '']
  const taken = new Map<string, number>()
  for (const [at, { name }] of ENTRIES.entries()) {
    const source = program.getSourceFile(files[at] ?? '')
    const module = source && checker.getSymbolAtLocation(source)
    if (module === undefined) throw new Error(`${name} exports nothing`)
    parts.push(`## ${name}`, '')
    const exported = checker.getExportsOfModule(module).sort((a, b) => (a.name < b.name ? -1 : 1))
    parts.push(exported.map((symbol) => `[${symbol.name}](#${anchorOf(symbol.name, taken)})`).join(' · '), '')
    for (const symbol of exported) parts.push(...entry(symbol, checker, root))
  }
  return parts.join('\n')
}

/** As the site makes them: `Task` behind `task` gets a number. */
function anchorOf(name: string, taken: Map<string, number>): string {
  const slug = name.toLowerCase()
  const count = taken.get(slug) ?? 0
  taken.set(slug, count + 1)
  return count === 0 ? slug : `${slug}-${count}`
}

function entry(exported: ts.Symbol, checker: ts.TypeChecker, root: string): string[] {
  const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
  const declaration = symbol.declarations?.[0]
  if (declaration === undefined) return []
  const words = ts.displayPartsToString(symbol.getDocumentationComment(checker))
  const source = declaration.getSourceFile()
  const line = source.getLineAndCharacterOfPosition(declaration.getStart()).line + 1
  const place = `${relative(root, source.fileName).replaceAll('\\', '/')}:${line}`
  return [
    `### ${exported.name}`,
    '',
    ...(words === '' ? [] : [words, '']),
    '```ts',
    shown(declaration),
    '```',
    '',
    `\`${place}\``,
    '',
  ]
}

/** Of functions and classes without their bodies. */
function shown(declaration: ts.Declaration): string {
  const whole = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration
  const text = whole.getText()
  if (ts.isFunctionDeclaration(declaration) && declaration.body !== undefined) {
    return text.slice(0, declaration.body.getStart() - whole.getStart()).trimEnd()
  }
  if (ts.isClassDeclaration(declaration)) return classText(declaration)
  const lines = text.split('\n')
  return lines.length <= LINES_MAX ? text : `${lines.slice(0, LINES_MAX).join('\n')}\n// …`
}

function classText(declaration: ts.ClassDeclaration): string {
  const source = declaration.getSourceFile()
  const members = declaration.members.filter((member) => {
    const name = member.name
    const hidden =
      ts.canHaveModifiers(member) && ts.getModifiers(member)?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)
    return name !== undefined && !ts.isPrivateIdentifier(name) && hidden !== true
  })
  const texts = members.map((member) => {
    const text = member.getFullText(source).replace(/^\s*\n/, '')
    const body = 'body' in member ? (member.body as ts.Node | undefined) : undefined
    return body === undefined ? text : text.slice(0, text.length - body.getText(source).length).trimEnd()
  })
  return `class ${declaration.name?.text ?? ''} {\n${texts.join('\n')}\n}`
}
