/**
 * The walls of docs: who may import whom. The table below is the one in the design; each row becomes a rule
 * whose name says what is not allowed and whose comment says why. A room that does not exist yet is an empty match.
 *
 * TypeScript stays at 6.0 for this tool: 7 is `tsc` without the JavaScript API by which files are parsed here.
 */

const CONTRACT = '^src/engine/engine\\.ts$'
const BROKER_FACE = '^src/broker/(port|types)\\.ts$'
/** index.ts and the files beside it: what an application imports, put together from every room. */
const FRONT_DOOR = '^src/[^/]+\\.ts$'
const room = (name) => `^src/${name}/`
const rooms = (...names) => names.map(room)

/** @type {Record<string, { may: string[], but: string, why: string }>} */
const table = {
  model: { may: [], but: 'nothing', why: 'the words and the rules are pure; everything else depends on them' },
  wire: { may: [], but: 'nothing', why: 'bytes <-> values knows no queue, so that codecs are tested alone' },
  runtime: {
    may: [],
    but: 'nothing',
    why: 'the impure primitives are replaced in tests; they must not know their users',
  },
  routing: { may: rooms('model'), but: 'model', why: 'routing is a pure function of the catalog' },
  engine: {
    may: rooms('model', 'runtime'),
    but: 'model and runtime',
    why: 'an engine never learns exchanges, protocols or tasks',
  },
  broker: {
    may: [CONTRACT, ...rooms('routing', 'model', 'runtime')],
    but: 'the engine contract, routing, model and runtime',
    why: 'the broker runs on any engine, so it may know the contract and never an implementation',
  },
  frontends: {
    may: rooms('wire', 'broker', 'model', 'runtime'),
    but: 'wire, broker, model and runtime',
    why: 'a front end translates; it holds no queue logic and reaches no engine',
  },
  client: {
    may: [BROKER_FACE, room('wire/remote'), ...rooms('model', 'runtime')],
    but: "the broker's face, wire/remote, model and runtime",
    why: 'in-process and remote are one port: what only one side of a socket can reach must not leak into it',
  },
  tasks: {
    may: [room('wire/amqp'), ...rooms('client', 'model', 'runtime')],
    but: "client, model, runtime and wire/amqp (Celery's messages)",
    why: 'tasks run the same in one process and on a fleet because they see only the client',
  },
  autoscale: {
    may: rooms('client', 'model', 'runtime'),
    but: 'client, model and runtime',
    why: 'a scaling decision is made from measures that any client can read',
  },
  outbox: {
    may: rooms('client', 'model', 'runtime'),
    but: 'client, model and runtime',
    why: 'a relay is a sender like any other, whatever carries its port',
  },
  http: {
    may: rooms('tasks', 'client', 'model', 'runtime'),
    but: 'tasks, client, model and runtime',
    why: 'the fetch handler is a user of tasks, mountable in any web framework',
  },
  orm: {
    may: rooms('model'),
    but: 'model',
    why: 'an adapter hands over a connection; what is done on it is the business of the engine',
  },
  browser: {
    may: rooms('tasks', 'client', 'model', 'runtime'),
    but: 'tasks, client, model and runtime',
    why: 'a page looks at tasks through the same port as everybody else',
  },
  cli: {
    may: [FRONT_DOOR, ...rooms('server', 'client', 'tasks', 'autoscale', 'model', 'runtime')],
    but: 'server, client, tasks, autoscale, model, runtime and what index.ts offers',
    why: 'a command is a thin caller of what applications can call too',
  },
}
/** These compose the rest, so they may import everything. */
const composers = ['server', 'dashboard', 'testing']
const listed = [...Object.keys(table), ...composers].join('|')

const roomRules = Object.entries(table).map(([name, { may, but, why }]) => ({
  name: `${name} imports no room but ${but}`,
  comment: `Because ${why}.`,
  severity: 'error',
  from: { path: room(name) },
  to: { path: '^src/', pathNot: [room(name), ...may] },
}))

const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to })

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...roomRules,
    forbid(
      'an engine never imports another engine',
      'Because engines are compared with each other: shared code would share its bugs.',
      { path: '^src/engine/([^/]+)/' },
      { path: '^src/engine/[^/]+/', pathNot: '^src/engine/$1/' },
    ),
    forbid(
      'the engine contract imports no implementation',
      'Because the contract is what every engine is written against.',
      { path: '^src/engine/[^/]+\\.ts$' },
      { path: '^src/engine/[^/]+/' },
    ),
    forbid(
      'every room has a row in the table of walls',
      'Because a room without a row has no walls; add one to .dependency-cruiser.mjs and to the design.',
      { path: '^src/', pathNot: [`^src/(${listed})/`, FRONT_DOOR] },
      {},
    ),
    forbid(
      'no import goes round in a circle',
      'Because files of a circle can be neither understood nor loaded alone; types count.',
      {},
      { circular: true },
    ),
    forbid(
      'src imports nothing of test, bench, examples or scripts',
      'Because only src is published.',
      { path: '^src/' },
      { path: '^(test|bench|examples|scripts)/' },
    ),
    forbid(
      'src imports no devDependency, not even its types',
      'Because users do not install them.',
      { path: '^src/' },
      { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['npm', 'npm-peer', 'npm-optional'] },
    ),
    forbid(
      'src imports only packages that package.json names',
      'Because a package that happens to be installed here may be missing there.',
      { path: '^src/' },
      {
        pathNot: '^\\.',
        dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'],
        // A package whose types come from @types/… is undetermined beside its own kind.
        dependencyTypesNot: ['npm', 'npm-peer', 'npm-optional'],
      },
    ),
    forbid(
      'every import resolves',
      'Because the rest of the rules see only what resolves.',
      {},
      { couldNotResolve: true },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    // Type-only imports are imports: a wall that types may cross is no wall.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['types', 'import', 'default'] },
  },
}
