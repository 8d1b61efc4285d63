// What the type checker does not see.
import js from '@eslint/js';
import globals from 'globals';

/** Ways in which text becomes markup or code. There is one place for that, which cleans it first. */
const MARKUP = [
  { selector: "MemberExpression[property.name=/^(innerHTML|outerHTML|insertAdjacentHTML|setHTMLUnsafe|createContextualFragment)$/]",
    message: 'Text becomes markup in app/views/run/markup.js and nowhere else.' },
  { selector: "Property[key.name=/^(dangerouslySetInnerHTML|innerHTML)$/]", message: 'Text becomes markup in app/views/run/markup.js alone.' },
  { selector: "CallExpression[callee.object.name='document'][callee.property.name=/^write(ln)?$/]", message: 'It makes markup of text.' },
  { selector: 'TaggedTemplateExpression > TemplateLiteral > TemplateElement[value.raw=/dangerouslySetInnerHTML|innerHTML|srcdoc/]',
    message: 'Text becomes markup in app/views/run/markup.js alone.' },
];

export default [
  { ignores: ['vendor/', 'docs/'] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2024, sourceType: 'module' },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'eqeqeq': 'error',
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-new-func': 'error',
      'no-script-url': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-control-regex': 'off',
      'no-restricted-syntax': ['error', ...MARKUP],
    },
  },
  { files: ['app/**'], languageOptions: { globals: globals.browser }, rules: { 'no-console': 'error' } },
  { files: ['app/views/run/markup.js'], rules: { 'no-restricted-syntax': 'off' } },
  // What browser tests hand to the page runs there.
  { files: ['tests/**'], languageOptions: { globals: { ...globals.node, ...globals.browser } } },
];
