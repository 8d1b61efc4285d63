// What the type checker does not see.
import js from '@eslint/js';
import globals from 'globals';

/** Ways in which text becomes markup. The page's policy stops all of them; here it is said sooner. */
const MARKUP = [
  { selector: "MemberExpression[property.name=/^(innerHTML|outerHTML|insertAdjacentHTML|setHTMLUnsafe|createContextualFragment)$/]",
    message: 'Text never becomes markup: make elements of it.' },
  { selector: "Property[key.name=/^(dangerouslySetInnerHTML|innerHTML)$/]", message: 'Text never becomes markup: make elements of it.' },
  { selector: "CallExpression[callee.object.name='document'][callee.property.name=/^write(ln)?$/]", message: 'It makes markup of text.' },
  { selector: 'TaggedTemplateExpression > TemplateLiteral > TemplateElement[value.raw=/dangerouslySetInnerHTML|innerHTML|srcdoc/]',
    message: 'Text never becomes markup: make elements of it.' },
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
  // What browser tests hand to the page runs there.
  { files: ['tests/**'], languageOptions: { globals: { ...globals.node, ...globals.browser } } },
];
