// Rules beyond those of the type checker.
import js from '@eslint/js';
import globals from 'globals';

/** What views must not use: APIs that turn text into markup, which Trusted Types block at run time, and `autofocus`. */
const RESTRICTED = [
  { selector: "MemberExpression[property.name=/^(innerHTML|outerHTML|insertAdjacentHTML|setHTMLUnsafe|createContextualFragment)$/]",
    message: 'Do not create markup from text: create elements.' },
  { selector: "Property[key.name=/^(dangerouslySetInnerHTML|innerHTML)$/]", message: 'Do not create markup from text: create elements.' },
  { selector: "CallExpression[callee.object.name='document'][callee.property.name=/^write(ln)?$/]", message: 'Do not create markup from text.' },
  { selector: 'TaggedTemplateExpression > TemplateLiteral > TemplateElement[value.raw=/\\sautofocus/]',
    message: 'Browsers honor `autofocus` once per page load: use `useInitialFocus`.' },
  { selector: 'TaggedTemplateExpression > TemplateLiteral > TemplateElement[value.raw=/dangerouslySetInnerHTML|innerHTML|srcdoc/]',
    message: 'Do not create markup from text: create elements.' },
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
      'no-restricted-syntax': ['error', ...RESTRICTED],
    },
  },
  { files: ['app/**'], languageOptions: { globals: globals.browser }, rules: { 'no-console': 'error' } },
  // Browser tests pass functions to the page.
  { files: ['tests/**'], languageOptions: { globals: { ...globals.node, ...globals.browser } } },
];
