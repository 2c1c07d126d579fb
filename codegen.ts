/**
 * Writes the files that are generated from the source: `schema.graphql`, the typed documents of the
 * client and of the tests, and `config.schema.json`. With `--check` it writes nothing and fails when one
 * of them is stale.
 *
 * Run as a program, not through the `graphql-codegen` command: that loads a second copy of graphql.
 */
import { generate, type CodegenConfig } from '@graphql-codegen/cli';
import { lexicographicSortSchema, printSchema } from 'graphql';
import { readFile, writeFile } from 'node:fs/promises';
import { configJsonSchema } from './src/config.ts';
import { schema } from './src/schema/index.ts';

const sdl = printSchema(lexicographicSortSchema(schema));

const config: CodegenConfig = {
  schema: sdl,
  documents: ['src/client/**/*.ts', 'test/**/*.ts', '!src/client/generated/**'],
  ignoreNoDocuments: true,
  silent: true,
  generates: {
    'src/client/generated/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        documentMode: 'string',
        useTypeImports: true,
        enumsAsTypes: true,
        strictScalars: true,
        importExtension: '.ts',
        scalars: { DateTime: 'string', Base64: 'string', ByteOffset: 'number', ID: 'string' },
      },
    },
  },
};

const generated = (await generate(config, false)) as { filename: string; content: string }[];
const files = new Map(generated.map(({ filename, content }) => [filename, content]));
files.set('schema.graphql', `${sdl}\n`);
files.set('config.schema.json', `${JSON.stringify(configJsonSchema(), null, 2)}\n`);

const stale: string[] = [];
for (const [file, content] of files) {
  const present = await readFile(file, 'utf8').catch(() => null);
  if (present === content) continue;
  stale.push(file);
  if (!process.argv.includes('--check')) await writeFile(file, content);
}
if (process.argv.includes('--check') && stale.length > 0) {
  console.error(`stale: ${stale.join(', ')}; run: npm run codegen`);
  process.exitCode = 1;
}
